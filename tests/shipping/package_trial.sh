#!/usr/bin/env bash
# In the Debian that tests/package.sh has made, as nobody: hangup as it is installed, without systemd.
set -euo pipefail
# shellcheck source=tests/shipping/exchanges.sh
. "$(dirname "$0")/exchanges.sh"

hangup version
hangup check -c /etc/hangup/hangup.yaml
hangup schema | cmp - /usr/share/hangup/hangup.schema.json
start_servers
hangup run -c /etc/hangup/hangup.yaml >/tmp/access.log 2>/tmp/hangup.log &
proxy=$!
trap 'kill "${servers[@]}" "$proxy" 2>/dev/null || true' EXIT
trap 'cat /tmp/hangup.log' ERR
eventually answers
exchange_and_disconnect
until_seen '"outcome":"client_gone"' /tmp/access.log
kill -TERM "$proxy"
wait "$proxy"
echo "a request answered; a disconnect aborted and cleaned up; drained with status 0"
