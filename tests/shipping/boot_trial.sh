#!/usr/bin/env bash
# In the machine that tests/boot.sh has booted, as root: the installed package under systemd, by what an administrator does.
# A line for each thing that is as it should be; at the first one that is not, what systemd says of hangup.
set -eEuo pipefail
# shellcheck source=tests/shipping/exchanges.sh
. "$(dirname "$0")/exchanges.sh"
export SYSTEMD_PAGER='' SYSTEMD_COLORS=0 DEBIAN_FRONTEND=noninteractive

as_it_should_be() { printf 'ok %5d s  %s\n' "$SECONDS" "$*"; }
not_so() {
  echo "NOT SO: ${FUNCNAME[1]}, line ${BASH_LINENO[0]}: $BASH_COMMAND"
  systemctl status --no-pager -n 0 hangup.service hangup.socket || true
  journalctl -q -n 40 -u hangup.service
}
trap not_so ERR

property() { systemctl show -P "$1" hangup.service; }
main_process() { property MainPID; }
is() { [ "$(property "$1")" = "$2" ] || { echo "$1 is $(property "$1") and not $2" && return 1; }; }
forget() { : >"$seen"; }

# What hangup and systemd have written about it since `from_now_on`.
from_now_on() {
  journalctl --sync
  since=$(date +%s.%6N)
}
logged() { journalctl -q -o cat -u hangup.service --since "@$since" | grep -E -e "$1" >/dev/null; }  # PATTERN

# The configuration that is installed, without the cleanup of a receiver that there is not, and changed by the script.
configure() {  # [SED-SCRIPT]
  sed -e 's/cleanup: \[stop-report, tell-the-bus\]/cleanup: stop-report/' -e "${1:-}" /trial/shipped.yaml >/etc/hangup/hangup.yaml
}
# Settings of the service beside its unit, until `without_settings`.
with_settings() {  # LINE...
  mkdir -p /run/systemd/system/hangup.service.d
  printf '%s\n' '[Service]' "$@" >/run/systemd/system/hangup.service.d/trial.conf
  systemctl daemon-reload
}
without_settings() {
  rm -r /run/systemd/system/hangup.service.d
  systemctl daemon-reload
}

installed_and_left_alone() {
  [ "$(systemctl is-enabled hangup.service)" = disabled ] || return 1
  [ "$(systemctl is-active hangup.service)" = inactive ] || return 1
  [ "$(systemctl is-active hangup.socket)" = inactive ] || return 1
  as_it_should_be "installed: neither enabled nor started"
}

starts() {
  systemctl --quiet enable --now hangup
  systemctl is-active --quiet hangup
  is Type notify
  is StatusText proxying
  answers  # at once: systemctl waits until hangup is ready
  as_it_should_be "systemctl enable --now: active when it is ready, and answers"
}

cleans_up() {
  from_now_on
  forget
  exchange_and_disconnect
  eventually logged '"outcome":"client_gone"'
  as_it_should_be "a disconnect: aborted, cleaned up, and in the journal"
}

is_confined() {
  local process user kept=/var/lib/private/hangup/outbox.db
  process=$(main_process)
  user=$(stat -c %u "/proc/$process")
  [ "$user" -ge 61184 ]  # those that systemd makes
  [ "$user" -le 65519 ]
  [ "$(stat -c %u "$kept")" = "$user" ]
  [ "$(readlink -f /var/lib/hangup/outbox.db)" = "$kept" ]
  [ "$(stat -c %a "$kept")" = 600 ]
  grep -q '^CapEff:\s*0*$' "/proc/$process/status"
  grep -q '^Seccomp:\s*2$' "/proc/$process/status"
  grep -q '^NoNewPrivs:\s*1$' "/proc/$process/status"
  as_it_should_be "a user of its own ($user), who has the outbox in $kept and no capabilities"
}

# Root looks into the outbox, of a hangup that runs and of one that does not, and takes nothing from its user by that.
lets_root_look() {
  local id file
  id=$(hangup outbox list -c /etc/hangup/hangup.yaml --cleanup tell-the-bus --json | sed -n 's/.*"webhook_id": "\([^"]*\)".*/\1/p')
  [ -n "$id" ]  # the example's bus, which there is not
  hangup outbox drop -c /etc/hangup/hangup.yaml "$id" >/dev/null
  configure
  systemctl stop hangup
  is Result success
  hangup outbox stats -c /etc/hangup/hangup.yaml >/dev/null
  systemctl start hangup
  for file in /var/lib/private/hangup/*; do
    [ "$(stat -c %u "$file")" = "$(stat -c %u "/proc/$(main_process)")" ]
  done
  forget
  exchange_and_disconnect
  as_it_should_be "hangup outbox, by root: hangup goes on with its files"
}

reloads() {
  local process
  process=$(main_process)
  from_now_on
  configure 's/127.0.0.1:8080/127.0.0.1:8088/'
  systemctl reload hangup
  port=8088 eventually answers
  if answers; then return 1; fi
  eventually is StatusText proxying
  [ "$(main_process)" = "$process" ]
  logged 'reloaded /etc/hangup/hangup.yaml'
  systemctl status hangup >/tmp/status
  grep -q 'Status: "proxying"' /tmp/status
  grep -q 'reloaded /etc/hangup/hangup.yaml' /tmp/status
  configure
  systemctl reload hangup
  eventually answers
  as_it_should_be "systemctl reload: takes effect in the same process, and systemctl status shows it"
}

refuses_mistakes() {
  local process
  process=$(main_process)
  from_now_on
  cp /etc/hangup/hangup.yaml /tmp/good.yaml
  printf 'nonsense: 1\n' >>/etc/hangup/hangup.yaml
  if systemctl reload hangup 2>/dev/null; then return 1; fi
  eventually logged 'hangup.yaml:[0-9]+:1: .*nonsense'
  systemctl is-active --quiet hangup
  is StatusText proxying
  # Whoever does not ask systemd finds out too.
  systemctl kill --kill-whom=main -s HUP hangup
  eventually is StatusText 'proxying; the last reload failed, see the log'
  answers
  cp /tmp/good.yaml /etc/hangup/hangup.yaml
  systemctl reload hangup
  eventually is StatusText proxying
  [ "$(main_process)" = "$process" ]
  as_it_should_be "systemctl reload with a mistake: fails, the journal says where, and hangup goes on"
}

# As the README tells logrotate to.
opens_logs_again() {
  local log=/var/log/hangup/access.log
  configure "/^access_log:/,/path:/s|path: stdout|path: $log|"
  systemctl reload hangup
  eventually test -e "$log"
  answers
  until_seen '"path":"/hello"' "$log"
  mv "$log" "$log.1"
  systemctl kill -s USR1 hangup
  eventually test -e "$log"
  answers
  until_seen '"path":"/hello"' "$log"
  as_it_should_be "SIGUSR1: the access log goes on in a new file"
}

reads_credentials() {
  local old new
  with_settings 'LoadCredential=tokens:/etc/hangup/tokens'
  # shellcheck disable=SC2016  # for hangup
  configure '$a auth: {bearer_tokens_file: "${CREDENTIALS_DIRECTORY}/tokens"}'
  old=$(new_token)
  systemctl restart hangup
  is_let_in "$old"
  new=$(new_token)
  if is_let_in "$new"; then return 1; fi
  systemctl reload hangup
  eventually is_let_in "$new"
  if is_let_in "$old"; then return 1; fi
  rm /etc/hangup/tokens  # the administrator's own
  without_settings
  as_it_should_be "LoadCredential=: tokens of a file that is root's alone, and other ones by a reload"
}
# The only one that there is then, in a file that is root's alone.
new_token() {
  (umask 077 && hangup token new --name trial 2>&1 >/etc/hangup/tokens) | sed -n 's/.*kept nowhere: //p'
}
is_let_in() { [[ $(ask 'GET /hello' "Authorization: Bearer $1") == 'HTTP/1.1 200'* ]]; }  # TOKEN

is_watched() {
  local process restarts
  configure
  systemctl restart hangup
  is WatchdogUSec 30s
  process=$(main_process)
  restarts=$(property NRestarts)
  from_now_on
  kill -STOP "$process"
  eventually logged 'Watchdog timeout'
  eventually is NRestarts $((restarts + 1))
  eventually answers
  [ "$(main_process)" != "$process" ]
  as_it_should_be "a process that is stuck: killed by the watchdog after 30 s and started again"
}

# One cleanup that a receiver does not take, and one of an exchange that is still in flight.
survives_kill() {
  forget
  touch "$seen.refuse"
  begin /reports/8
  leave
  until_seen '^refused DELETE' "$seen"
  begin /reports/9
  from_now_on
  systemctl kill -s KILL hangup
  eventually logged 'Failed with result .signal.'
  leave
  rm "$seen.refuse"
  eventually answers
  eventually delivered 2
  eventually logged '"outcome":"crashed"'
  as_it_should_be "systemctl kill -s KILL: started again, and both cleanups owed are delivered"
}
delivered() { [ "$(grep -c '^DELETE /jobs/' "$seen")" -ge "$1" ]; }

listens_by_socket() {
  configure 's/127.0.0.1:8080/fd:http/'
  systemctl stop hangup
  systemctl --quiet enable --now hangup.socket
  [ "$(systemctl is-active hangup.service)" = inactive ] || return 1
  answers  # which starts it
  systemctl is-active --quiet hangup
  systemctl reload hangup
  as_it_should_be "hangup.socket: the first request starts hangup"
}

# Clients that ask again and again, while the command runs; how many requests there were is in `asked` then, and none failed.
meanwhile() {  # COMMAND...
  local clients=() i
  rm -f /tmp/enough /tmp/asked.*
  for i in 1 2 3; do
    (
      trap - ERR
      until [ -e /tmp/enough ]; do
        if answers; then echo answered; else echo failed; fi
        sleep 0.1
      done >"/tmp/asked.$i"
    ) &
    clients+=($!)
  done
  until_seen answered /tmp/asked.1
  "$@"
  sleep 1  # of requests to what runs now
  touch /tmp/enough
  wait "${clients[@]}"
  if grep failed /tmp/asked.*; then return 1; fi
  asked=$(cat /tmp/asked.* | wc -l)
}

restarts_without_a_failure() {
  local process
  process=$(main_process)
  # shellcheck disable=SC2317  # called by meanwhile
  three_times() { systemctl restart hangup && systemctl restart hangup && systemctl restart hangup; }
  meanwhile three_times
  [ "$(main_process)" != "$process" ]
  as_it_should_be "three restarts under hangup.socket: $asked requests, 0 failed"
}

upgrades_without_a_failure() {
  local process
  process=$(main_process)
  meanwhile dpkg -i /hangup.deb >/tmp/dpkg.log 2>&1
  [ "$(main_process)" != "$process" ]
  systemctl is-active --quiet hangup.service hangup.socket
  [ "$(systemctl is-enabled hangup.service)" = enabled ]
  grep -q fd:http /etc/hangup/hangup.yaml
  as_it_should_be "an upgrade: restarted, still enabled, its configuration kept; $asked requests, 0 failed"
}

is_exposed_little() {
  as_it_should_be "systemd-analyze security:$(systemd-analyze security --no-pager hangup.service | sed -n 's/.*Overall exposure level[^:]*://p')"
}

stops_when_removed() {
  apt-get remove -y -qq hangup >/tmp/dpkg.log 2>&1
  is_gone
  [ -e /var/lib/private/hangup/outbox.db ]
  [ -e /etc/hangup/hangup.yaml ]
  dpkg -i /hangup.deb >/tmp/dpkg.log 2>&1
  [ "$(systemctl is-enabled hangup.service)" = enabled ]
  [ "$(systemctl is-enabled hangup.socket)" = enabled ]
  systemctl start hangup.socket
  answers
  as_it_should_be "apt remove: stopped, socket and all; what was kept and enabled is there again when it is installed again"
}
is_gone() {
  if systemctl is-active --quiet hangup.service; then return 1; fi
  if systemctl is-active --quiet hangup.socket; then return 1; fi
  if answers; then return 1; fi
}

leaves_nothing() {
  local left
  apt-get purge -y -qq hangup >/tmp/dpkg.log 2>&1
  is_gone
  left=$(find / -xdev \( -path /trial -o -path /tmp -o -path /var/log/journal -o -name hangup.deb \) -prune -o -name '*hangup*' -print)
  [ -z "$left" ] || { echo "left: $left" && return 1; }
  as_it_should_be "apt purge: stopped, and nothing is left"
}

cp /etc/hangup/hangup.yaml /trial/shipped.yaml
start_servers
echo "$(uname -r), $(systemctl --version | head -n 1)"
installed_and_left_alone
starts
cleans_up
is_confined
lets_root_look
reloads
refuses_mistakes
opens_logs_again
reads_credentials
is_watched
survives_kill
listens_by_socket
restarts_without_a_failure
upgrades_without_a_failure
is_exposed_little
stops_when_removed
leaves_nothing
echo "all of it as it should be"
