# shellcheck shell=bash
# Clients and servers of an installed hangup, in the Bash and Perl of every Debian. To be sourced; backend.pl lies beside it.

seen=/tmp/backend.log   # what the servers see

# The two servers of the shipped configuration; their processes are in `servers` then.
start_servers() {
  local port here
  here=$(dirname "${BASH_SOURCE[0]}")
  servers=()
  for port in 9000 9001; do
    perl "$here/backend.pl" "$port" "$seen" &
    servers+=($!)
    until_seen "^ready $port" "$seen"
  done
}

eventually() {  # COMMAND...
  local until=$((SECONDS + 90))
  while [ "$SECONDS" -lt "$until" ]; do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "not within 90 s: $*" >&2
  return 1
}
until_seen() { eventually grep -qE -e "$1" "$2" || { cat "$2" >&2 && return 1; }; }  # PATTERN FILE

# The response to one request on a connection of its own.
ask() {  # LINE FIELD...
  local to_hangup
  exec {to_hangup}<>/dev/tcp/127.0.0.1/"${port:-8080}" || return 1
  printf '%s\r\n' "$1 HTTP/1.1" 'Host: localhost' 'Connection: close' "${@:2}" '' >&"$to_hangup"
  cat <&"$to_hangup"
  exec {to_hangup}>&-
}
answers() {
  local response
  response=$(ask "GET /hello" 2>/dev/null)
  [[ $response == "HTTP/1.1 200"*hello ]]
}

# A request that its server works on, from a client that stays until `leave`.
begin() {  # PATH
  exec {client}<>/dev/tcp/127.0.0.1/"${port:-8080}"
  printf '%s\r\n' "POST $1 HTTP/1.1" 'Host: reports.example.com' 'Content-Length: 0' '' >&"$client"
  until_seen "^POST $1\?" "$seen"
}
leave() { exec {client}>&-; }

# Answers a request, aborts another one whose client leaves, and has its cleanup called.
exchange_and_disconnect() {
  answers
  begin /reports/7
  leave
  until_seen '^closed' "$seen"
  until_seen '^DELETE /jobs/' "$seen"
}
