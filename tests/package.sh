#!/usr/bin/env bash
# Builds the Debian package, and installs and tries it in a clean Debian made by debootstrap. As root, with network; leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
[ "$(id -u)" -eq 0 ] || { echo "debootstrap and chroot need root" >&2 && exit 1; }
install_missing "${build_packages[@]}" dpkg-dev file lintian debootstrap iproute2

cmake --preset release >/dev/null
cmake --build --preset release --target hangup | tail -n 3
package_dir=$(mktemp -d)
root=$(mktemp -d)
chmod 755 "$root"  # it is also tried by a user that is nobody
trap 'rm -rf "$package_dir" "$root"' EXIT
(cd build/release && cpack -G DEB -B "$package_dir" >"$package_dir/log" 2>&1) || { cat "$package_dir/log" && exit 1; }
package=$(echo "$package_dir"/hangup_*.deb)

echo "---- lintian"
lintian --allow-root --fail-on error "$package"

echo "---- a clean Debian"
# Where this machine has its packages from.
# shellcheck disable=SC2016  # for apt
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' | awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')
[ -n "$mirror" ] || { echo "apt knows no mirror of Debian bookworm" >&2 && exit 1; }
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$package_dir/log" 2>&1 || { tail -n 20 "$package_dir/log" && exit 1; }
cp "$package" "$root/hangup.deb"
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends /hangup.deb >"$package_dir/log" 2>&1 ||
  { tail -n 20 "$package_dir/log" && exit 1; }

cat >"$root/try.sh" <<'TRY'
set -euo pipefail
hangup version
hangup check -c /etc/hangup/hangup.yaml
hangup schema | cmp - /usr/share/hangup/hangup.schema.json
# The servers of the shipped configuration: answer at once, or, to a POST, never; say what they see.
cat >/tmp/backend.pl <<'PERL'
use strict; use warnings; use IO::Socket::INET; use Socket;
$SIG{CHLD} = "IGNORE";
open(my $log, ">>", "/tmp/backend.log") or die; $log->autoflush(1);
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ARGV[0]", Listen => 16, ReuseAddr => 1) or die;
print $log "ready\n";
while (my $client = $listener->accept) {
  next if fork;
  while (defined(my $line = <$client>)) {
    my $head = "";
    while (defined(my $field = <$client>)) { last if $field =~ /^\r?\n$/; }
    $line =~ s/ HTTP.*\r?\n//;
    print $log "$line\n";
    if ($line =~ /^POST/) { sysread($client, my $byte, 1); print $log "closed\n"; exit; }
    print $client "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n"; $client->flush;
  }
  exit;
}
PERL
perl /tmp/backend.pl 9000 & servers=$!
perl /tmp/backend.pl 9001 & servers="$servers $!"
hangup run -c /etc/hangup/hangup.yaml >/tmp/access.log 2>/tmp/hangup.log & proxy=$!
trap 'kill $servers $proxy 2>/dev/null || true' EXIT
until_seen() {  # PATTERN FILE
  local tries
  for ((tries = 0; tries < 300; ++tries)); do
    if grep -qE "$1" "$2" 2>/dev/null; then return; fi
    sleep 0.1
  done
  echo "no $1 in $2:" && cat "$2" /tmp/hangup.log && exit 1
}
for ((tries = 0; tries < 300; ++tries)); do
  if (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null; then break; fi
  sleep 0.1
done
until_seen ready /tmp/backend.log
exec 3<>/dev/tcp/127.0.0.1/8080
printf 'GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
answer=$(cat <&3)
exec 3>&-
grep -q '^HTTP/1.1 200' <<<"$answer" && grep -q '^hello' <<<"$answer" || { echo "answered: $answer" && exit 1; }
exec 3<>/dev/tcp/127.0.0.1/8080
printf 'POST /reports/7 HTTP/1.1\r\nHost: reports.example.com\r\nContent-Length: 0\r\n\r\n' >&3
until_seen '^POST /reports/7' /tmp/backend.log
exec 3>&-
until_seen '^closed' /tmp/backend.log
until_seen '^DELETE /jobs/' /tmp/backend.log
until_seen '"outcome":"client_gone"' /tmp/access.log
kill -TERM $proxy
wait $proxy
echo "a request answered; a disconnect aborted and cleaned up; drained with status 0"
TRY
mkdir -p "$root/var/lib/hangup"
chown 65534:65534 "$root/var/lib/hangup"
echo "---- installed: checked, started, one request, one disconnect"
# In a network of its own: the ports of the shipped configuration may be taken here.
# shellcheck disable=SC2016  # for the inner shell
unshare --net bash -c 'ip link set lo up && exec chroot --userspec=65534:65534 "$1" bash /try.sh' - "$root"

echo "---- removed"
chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq hangup >"$package_dir/log" 2>&1 || { tail -n 20 "$package_dir/log" && exit 1; }
for left in /usr/bin/hangup /etc/hangup /var/lib/hangup; do
  [ ! -e "$root$left" ] || { echo "left behind by purge: $left" && exit 1; }
done
echo "nothing left behind"
