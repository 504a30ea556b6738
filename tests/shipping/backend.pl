# A server for the shipped configuration, in the Perl that every Debian has: backend.pl PORT LOG
# Answers at once, or, to a POST, never: its client has to leave. Writes what it sees to LOG. While there is a file LOG.refuse,
# a DELETE is answered with 503.
use strict; use warnings; use IO::Socket::INET; use Socket;

my ($port, $log_name) = @ARGV;
$SIG{CHLD} = "IGNORE";
open(my $log, ">>", $log_name) or die "$log_name: $!";
$log->autoflush(1);
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port", Listen => 128, ReuseAddr => 1) or die "port $port: $!";
print $log "ready $port\n";
while (1) {
  my $client = $listener->accept or next;
  next if fork;
  while (defined(my $line = <$client>)) {
    while (defined(my $field = <$client>)) { last if $field =~ /^\r?\n$/; }
    $line =~ s/ HTTP.*\r?\n//;
    if ($line =~ /^POST/) {
      print $log "$line\n";
      sysread($client, my $byte, 1);
      print $log "closed\n";
      exit;
    }
    my $refused = $line =~ /^DELETE/ && -e "$log_name.refuse";
    print $log $refused ? "refused $line\n" : "$line\n";
    print $client "HTTP/1.1 " . ($refused ? "503 Later" : "200 OK") . "\r\nContent-Length: 6\r\n\r\nhello\n";
    $client->flush;
  }
  exit;
}
