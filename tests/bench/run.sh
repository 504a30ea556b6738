#!/usr/bin/env bash
# Measures hangup beside nginx and haproxy, one worker each, in front of the same upstream, on loopback:
#   cpu         CPU microseconds of the proxy per keep-alive request, in interleaved rounds
#   disconnect  time from a client's close to the upstream seeing its connection closed
#   matrix      the same for every way to leave, in every phase: what each proxy finds, and how fast
#   webhook     time from a client's close to its cleanup arriving, by way of the outbox (hangup alone)
#   memory      resident memory of the proxy per request in flight
#   transport   CPU microseconds per exchange with a server by hangup's Transport beside libevent's bufferevents
#   deliver     cleanups delivered a second to one receiver, by one thread
#   outbox      cleanups committed a second, and how long each takes from add() to its commit
#   journal     what noting an exchange in flight costs the thread that proxies, by three mechanisms
# usage: tests/bench/run.sh [--rounds N] [--requests N] [--body BYTES] [--hold N] [--disconnects N]
#                           [cpu|disconnect|matrix|webhook|memory|transport|deliver|outbox|journal ...]
# HANGUP and BENCH_BIN name another binary, and another directory of the bench's programs, than those of build/release.
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=5 requests=100000 body=200 hold=10000 matrix_count=200
parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift 2 ;;
    --requests) requests=$2 && shift 2 ;;
    --body) body=$2 && shift 2 ;;
    --hold) hold=$2 && shift 2 ;;
    --disconnects) matrix_count=$2 && shift 2 ;;
    cpu | disconnect | matrix | webhook | memory | transport | deliver | outbox | journal) parts+=("$1") && shift ;;
    *) sed -n '2,14s/^# //p' "$0" >&2 && exit 2 ;;
  esac
done
[ "${#parts[@]}" -gt 0 ] || parts=(cpu disconnect matrix webhook memory transport deliver outbox journal)

hangup=${HANGUP:-build/release/hangup}
bin=${BENCH_BIN:-build/release/bench}
if [ -z "${BENCH_BIN:-}" ]; then
  [ -e build/release/CMakeCache.txt ] || cmake --preset release >/dev/null
  cmake --build --preset release --target bench >/dev/null
fi

ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
# Two descriptors for each request in flight, and some for everything else.
most_held=$((($(ulimit -n) - 200) / 2))

dir=$(mktemp -d)
chmod 755 "$dir"
started=()
finish() {
  local pid
  for pid in "${started[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$dir"
}
trap finish EXIT

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)) && answers "$port"; do :; done
  echo "$port"
}
await() {  # PORT NAME
  local deadline=$((SECONDS + 10))
  until answers "$1"; do
    [ "$SECONDS" -lt "$deadline" ] || { echo "bench: $2 does not listen" >&2 && cat "$dir/$2.err" >&2 && exit 1; }
    sleep 0.02
  done
}

declare -A pid_of port_of
start() {  # NAME PORT COMMAND...
  local name=$1 port=$2
  shift 2
  "$@" >"$dir/$name.out" 2>"$dir/$name.err" &
  pid_of[$name]=$!
  started+=($!)
  port_of[$name]=$port
  await "$port" "$name"
}
stop() {  # NAME
  kill -TERM "${pid_of[$1]}"
  wait "${pid_of[$1]}" 2>/dev/null || true
}
# The process and its workers.
pids() {
  echo "${pid_of[$1]}"
  pgrep -P "${pid_of[$1]}" || true
}

start_nginx() {  # UPSTREAM-PORT
  local port
  port=$(free_port)
  cat >"$dir/nginx.conf" <<EOF
worker_processes 1;
worker_rlimit_nofile $(ulimit -n);
daemon off;
pid $dir/nginx.pid;
error_log $dir/nginx-error.log;
events { worker_connections 60000; }
http {
  access_log $dir/nginx-access.log combined buffer=16k flush=1s;
  client_body_temp_path $dir/nginx-body; proxy_temp_path $dir/nginx-proxy; fastcgi_temp_path $dir/nginx-fastcgi;
  uwsgi_temp_path $dir/nginx-uwsgi; scgi_temp_path $dir/nginx-scgi;
  keepalive_requests 1000000000;
  upstream bench { server 127.0.0.1:$1; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:$port backlog=4096;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto \$scheme;
      proxy_set_header X-Request-Id \$request_id;
      proxy_read_timeout 300s;
    }
  }
}
EOF
  start nginx "$port" nginx -p "$dir" -c "$dir/nginx.conf"
}

start_haproxy() {  # UPSTREAM-PORT
  local port
  port=$(free_port)
  cat >"$dir/haproxy.cfg" <<EOF
global
  nbthread 1
  maxconn $(($(ulimit -n) / 2 - 100))
  log stdout format raw daemon info
defaults
  mode http
  log global
  option httplog
  option abortonclose
  option forwardfor
  http-reuse always
  timeout connect 1s
  timeout client 300s
  timeout server 300s
frontend bench
  bind 127.0.0.1:$port
  unique-id-format %[uuid]
  unique-id-header X-Request-Id
  default_backend bench
backend bench
  server upstream 127.0.0.1:$1
EOF
  start haproxy "$port" haproxy -db -f "$dir/haproxy.cfg"
}

start_hangup() {  # UPSTREAM-PORT [RECEIVER-PORT [STORE]]
  local port cleanup=none
  port=$(free_port)
  [ $# -eq 1 ] || cleanup="{url: \"http://127.0.0.1:$2/stop/{request.id}\"}"
  cat >"$dir/hangup.yaml" <<EOF
workers: 1
listeners:
  - address: 127.0.0.1:$port
upstreams:
  bench:
    servers: ["http://127.0.0.1:$1"]
    connections: {max: 60000, keepalive: 64}
routes:
  - name: bench
    match: {path: "/*"}
    upstream: bench
    on_disconnect: {cleanup: $cleanup}
outbox: {path: $dir/outbox.db, store: ${3:-sqlite}}
access_log: {path: $dir/hangup-access.log}
log: {path: stderr, level: warn}
shutdown: {drain: 1s}
EOF
  start hangup "$port" "$hangup" run -c "$dir/hangup.yaml"
}

proxies=()
for proxy in nginx haproxy; do
  if command -v "$proxy" >/dev/null || [ -x "/usr/sbin/$proxy" ]; then proxies+=("$proxy"); fi
done
PATH=$PATH:/usr/sbin
if [ -x "$hangup" ]; then proxies+=(hangup); fi

upstream_port=$(free_port)
start upstream "$upstream_port" "$bin/bench_upstream" "$upstream_port"

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
ratio() { awk -v a="$1" -v b="${2:-0}" 'BEGIN {if (b > 0) printf "%.2f", a / b; else printf "-"}'; }

measure_cpu() {
  local proxy round line
  declare -A costs rates
  for proxy in "${proxies[@]}"; do
    "start_$proxy" "$upstream_port"
    # shellcheck disable=SC2046  # one argument each
    "$bin/bench_load" "${port_of[$proxy]}" "/bytes/$body" 64 $((requests / 10 + 64)) $(pids "$proxy") >/dev/null
  done
  for ((round = 0; round < rounds; ++round)); do
    for proxy in "${proxies[@]}"; do
      # shellcheck disable=SC2046
      line=$("$bin/bench_load" "${port_of[$proxy]}" "/bytes/$body" 64 "$requests" $(pids "$proxy"))
      costs[$proxy]+="${line% *} "
      rates[$proxy]+="${line#* } "
    done
  done
  for proxy in "${proxies[@]}"; do stop "$proxy"; done

  declare -A middle
  echo "CPU microseconds of the proxy per request: keep-alive GET with 8 browser headers, answer of $body bytes, 64"
  echo "connections, 1 worker, $rounds interleaved rounds of $requests requests; each proxy writes an access log to a file"
  echo "(nginx: buffered, haproxy: unbuffered, to stdout), adds X-Forwarded-For and X-Request-Id, and keeps 64 connections"
  printf '%-10s %8s %9s %11s %9s   %s\n' proxy median "/ nginx" "/ haproxy" "req/s" rounds
  for proxy in "${proxies[@]}"; do middle[$proxy]=$(tr ' ' '\n' <<<"${costs[$proxy]% }" | median); done
  for proxy in "${proxies[@]}"; do
    printf '%-10s %8.1f %9s %11s %9.0f   %s\n' "$proxy" "${middle[$proxy]}" \
      "$(ratio "${middle[$proxy]}" "${middle[nginx]:-}")" "$(ratio "${middle[$proxy]}" "${middle[haproxy]:-}")" \
      "$(tr ' ' '\n' <<<"${rates[$proxy]% }" | median)" "${costs[$proxy]}"
  done
}

measure_disconnect() {
  local proxy in_flight port p50 p99 most
  echo "microseconds from the client's close to the upstream seeing its connection closed, 1,000 disconnects one after another"
  printf '%-10s %10s %8s %8s %8s\n' proxy "in flight" p50 p99 max
  for in_flight in 0 1000; do
    for proxy in "${proxies[@]}"; do
      port=$(free_port)
      "start_$proxy" "$port"
      read -r p50 p99 most < <("$bin/bench_disconnect" "${port_of[$proxy]}" "$port" 1000 "$in_flight" || echo - - -)
      printf '%-10s %10s %8s %8s %8s\n' "$proxy" "$in_flight" "$p50" "$p99" "$most"
      stop "$proxy"
    done
  done
}

measure_webhook() {
  local store in_flight port receiver p50 p99 most
  echo "microseconds from the client's close to the cleanup's arrival, 1,000 disconnects one after another; sqlite: committed and"
  echo "synced before (on $(df --output=fstype "$dir" | tail -n 1)), and the in-flight journal on"
  printf '%-10s %10s %8s %8s %8s\n' store "in flight" p50 p99 max
  for store in memory sqlite; do
    for in_flight in 0 1000; do
      port=$(free_port)
      receiver=$(free_port)
      start_hangup "$port" "$receiver" "$store"
      read -r p50 p99 most < <("$bin/bench_disconnect" "${port_of[hangup]}" "$port" 1000 "$in_flight" "$receiver" || echo - - -)
      printf '%-10s %10s %8s %8s %8s\n' "$store" "$in_flight" "$p50" "$p99" "$most"
      stop hangup
    done
  done
}

measure_memory() {
  local proxy count=$hold
  [ "$count" -le "$most_held" ] || count=$most_held
  echo "KiB of resident memory of the proxy per request in flight, with $count waiting for their answer"
  [ "$count" -eq "$hold" ] || echo "($hold wanted; $(ulimit -n) open descriptors are allowed here, two for each request)"
  for proxy in "${proxies[@]}"; do
    "start_$proxy" "$upstream_port"
    # So that what the first request allocates once is not counted.
    # shellcheck disable=SC2046
    "$bin/bench_load" "${port_of[$proxy]}" /bytes/200 64 1000 $(pids "$proxy") >/dev/null
    # shellcheck disable=SC2046
    printf '%-10s %s\n' "$proxy" "$("$bin/bench_hold" "${port_of[$proxy]}" "$upstream_port" "$count" $(pids "$proxy"))"
    stop "$proxy"
  done
}

measure_transport() {
  local size
  for size in 200 65536; do
    "$bin/bench_transport" "$upstream_port" "$size" $((requests / 2)) "$rounds"
  done
}

measure_deliver() {
  "$bin/bench_deliver" "$requests" "$rounds"
}

measure_outbox() { "$bin/bench_outbox" "$dir"; }
measure_journal() { "$bin/bench_journal" "$dir"; }

# shellcheck source=tests/bench/matrix.sh
. tests/bench/matrix.sh

for part in "${parts[@]}"; do
  "measure_$part"
  echo
done
