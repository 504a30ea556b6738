#!/usr/bin/env bash
# Measures hangup beside nginx and haproxy, one worker each, in front of the same upstream, on loopback:
#   cpu         CPU microseconds of the proxy per request, requests per second and latency, in interleaved rounds, of
#               small, large and huge answers, uploads, a connection for each request, TLS
#   workers     the same of small requests by 1 and by 2 workers of hangup
#   instructions  of the program (not the kernel) and locks taken per small request, by callgrind: the same in each run
#   disconnect  time from a client's close to the upstream seeing its connection closed
#   storm       time until the last of many clients that leave at once is known to the upstream, and the last cleanup has come
#   matrix      the same for every way to leave, in every phase: what each proxy finds, and how fast
#   webhook     time from a client's close to its cleanup arriving, by way of the outbox (hangup alone)
#   memory      resident memory of the proxy per request in flight
#   transport   CPU microseconds per exchange with a server by hangup's Transport beside libevent's bufferevents
#   deliver     cleanups delivered a second to one receiver, by one thread
#   outbox      cleanups committed a second, and how long each takes from add() to its commit
#   journal     what noting an exchange in flight costs the thread that proxies, by three mechanisms
# usage: tests/bench/run.sh [--rounds N] [--requests N] [--body BYTES] [--hold N] [--disconnects N] [--rows "ROW..."] [--alone]
#                           [cpu|small|large|huge|upload|connect|tls|workers|instructions|disconnect|storm|matrix|webhook|
#                            memory|transport|deliver|outbox|journal ...]
# --rows names those of the matrix that are measured. --alone measures hangup without peers. HANGUP and BENCH_BIN name
# another binary, and another directory of the bench's programs, than those of build/release.
set -euo pipefail
cd "$(dirname "$0")/../.."

peers=(nginx haproxy)
rounds=5 requests=100000 body=200 hold=10000 matrix_count=200 matrix_rows=
workloads=(small large huge upload connect tls)
parts=()
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2 && shift 2 ;;
    --requests) requests=$2 && shift 2 ;;
    --body) body=$2 && shift 2 ;;
    --hold) hold=$2 && shift 2 ;;
    --disconnects) matrix_count=$2 && shift 2 ;;
    --rows) matrix_rows=$2 && shift 2 ;;
    --alone) peers=() && shift ;;
    cpu) parts+=("${workloads[@]}") && shift ;;
    small | large | huge | upload | connect | tls | workers | instructions | disconnect | storm | matrix | webhook | memory | transport | \
      deliver | outbox | journal) parts+=("$1") && shift ;;
    *) sed -n '2,22s/^# //p' "$0" >&2 && exit 2 ;;
  esac
done
[ "${#parts[@]}" -gt 0 ] ||
  parts=("${workloads[@]}" workers instructions disconnect storm matrix webhook memory transport deliver outbox journal)

hangup=${HANGUP:-build/release/hangup}
bin=${BENCH_BIN:-build/release/bench}
if [ -z "${BENCH_BIN:-}" ]; then
  [ -e build/release/CMakeCache.txt ] || cmake --preset release >/dev/null
  output=$(cmake --build --preset release --target bench 2>&1) || { echo "$output" >&2 && exit 1; }
fi

ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
# Two descriptors for each request in flight, and some for everything else.
most_held=$((($(ulimit -n) - 200) / 2))
most_in_flight=$((hold < most_held - 200 ? hold : most_held - 200))

# How long a processor takes to wake depends on how deep it sleeps, and that on how much the proxy measured before left
# it to do. While this is open none sleeps: an idle one looks for work again and again.
if { exec {awake}>/dev/cpu_dma_latency; } 2>/dev/null; then
  printf '\0\0\0\0' >&"$awake"
else
  echo "bench: /dev/cpu_dma_latency can't be written: processors may sleep, and waking them is in the figures"
fi

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

# For what is measured over TLS.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=reports.example.com \
  -keyout "$dir/key.pem" -out "$dir/certificate.pem" 2>/dev/null
cat "$dir/certificate.pem" "$dir/key.pem" >"$dir/both.pem"

declare -A pid_of port_of tls_port_of
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

start_nginx() {  # UPSTREAM-PORT [NAME DIRECTIVES [CONNECTION]]: by that name, with more directives, and this Connection field
  local port name=${2:-nginx} connection=${4:-'""'}
  port=$(free_port)
  tls_port_of[$name]=$(free_port)
  cat >"$dir/$name.conf" <<EOF
worker_processes 1;
worker_rlimit_nofile $(ulimit -n);
daemon off;
pid $dir/$name.pid;
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
    listen 127.0.0.1:${tls_port_of[$name]} ssl;
    ssl_certificate $dir/certificate.pem;
    ssl_certificate_key $dir/key.pem;
    client_max_body_size 0;
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection $connection;
      proxy_set_header Host \$http_host;
      proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto \$scheme;
      proxy_set_header X-Request-Id \$request_id;
      proxy_read_timeout 300s;
      ${3:-}
    }
  }
}
EOF
  start "$name" "$port" nginx -p "$dir" -c "$dir/$name.conf"
}

# As nginx is when it is tuned for large bodies.
start_nginx-64k() {  # UPSTREAM-PORT
  start_nginx "$1" nginx-64k \
    'proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 128k; client_body_buffer_size 64k;'
}

start_haproxy() {  # UPSTREAM-PORT [OPTION]
  local port
  port=$(free_port)
  tls_port_of[haproxy]=$(free_port)
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
  ${2:-}
  timeout connect 1s
  timeout client 300s
  timeout server 300s
  timeout tunnel 300s
frontend bench
  bind 127.0.0.1:$port
  bind 127.0.0.1:${tls_port_of[haproxy]} ssl crt $dir/both.pem
  unique-id-format %[uuid]
  unique-id-header X-Request-Id
  default_backend bench
backend bench
  server upstream 127.0.0.1:$1
EOF
  start haproxy "$port" haproxy -db -f "$dir/haproxy.cfg"
}

start_hangup() {  # UPSTREAM-PORT [RECEIVER-PORT [STORE [WORKERS]]]; with_tls and half_close are its caller's
  local port cleanup=none tls='' name=hangup${half_close:+-$half_close}
  port=$(free_port)
  if [ "${with_tls:-}" ]; then
    tls_port_of[$name]=$(free_port)
    tls="- {address: 127.0.0.1:${tls_port_of[$name]}, tls: {certificates: [{cert: $dir/certificate.pem, key: $dir/key.pem}]}}"
  fi
  [ $# -eq 1 ] || cleanup="{url: \"http://127.0.0.1:$2/stop/{request.id}\"}"
  cat >"$dir/$name.yaml" <<EOF
workers: ${4:-1}
listeners:
  - address: 127.0.0.1:$port
  $tls
upstreams:
  bench:
    servers: ["http://127.0.0.1:$1"]
    connections: {max: 60000, keepalive: 64}
routes:
  - name: bench
    match: {path: "/*"}
    upstream: bench
    on_disconnect: {half_close: ${half_close:-probe}, cleanup: $cleanup}
outbox: {path: $dir/$name-outbox.db, store: ${3:-sqlite}}
access_log: {path: $dir/$name-access.log}
log: {path: stderr, level: warn}
shutdown: {drain: 1s}
EOF
  start "$name" "$port" "$hangup" run -c "$dir/$name.yaml"
}

# As nginx and haproxy are: a FIN is not looked into.
start_hangup-abort() { local half_close=abort && start_hangup "$@"; }

proxies=()
with_tuned=()
for proxy in "${peers[@]}"; do
  if command -v "$proxy" >/dev/null || [ -x "/usr/sbin/$proxy" ]; then proxies+=("$proxy"); fi
done
PATH=$PATH:/usr/sbin
if [ -x "$hangup" ]; then proxies+=(hangup); fi
for proxy in "${proxies[@]}"; do
  with_tuned+=("$proxy")
  [ "$proxy" != nginx ] || with_tuned+=(nginx-64k)
done
compared=("${proxies[@]}")

upstream_port=$(free_port)
start upstream "$upstream_port" "$bin/bench_upstream" "$upstream_port"

median() { sort -n | awk '{v[NR] = $1} END {print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
ratio() { awk -v a="$1" -v b="${2:-0}" 'BEGIN {if (b > 0) printf "%.2f", a / b; else printf "-"}'; }

# One workload, by each proxy in turn, again and again. hangup notes each exchange in its journal: a cleanup would be owed.
compare() {  # TITLE REQUESTS CONNECTIONS PATH [--tls] [OPTION-OF-BENCH_LOAD...]
  local title=$1 count=$2 connections=$3 path=$4 proxy round cost rate p50 p99 port
  shift 4
  declare -A costs rates medians tails
  run_load() {  # PROXY COUNT OPTION...
    local proxy=$1 count=$2
    shift 2
    port=${port_of[$proxy]}
    case " $* " in *" --tls "*) port=${tls_port_of[$proxy]} ;; esac
    # shellcheck disable=SC2046  # one argument each
    "$bin/bench_load" "$@" "$port" "$path" "$connections" "$count" $(pids "$proxy")
  }
  for proxy in "${compared[@]}"; do
    if [ "$proxy" = hangup ]; then
      start_hangup "$upstream_port" "$(free_port)"
    else
      "start_$proxy" "$upstream_port"
    fi
    run_load "$proxy" $((count / 10 + connections)) "$@" >/dev/null
  done
  for ((round = 0; round < rounds; ++round)); do
    for proxy in "${compared[@]}"; do
      read -r cost rate p50 p99 < <(run_load "$proxy" "$count" "$@")
      costs[$proxy]+="$cost "
      rates[$proxy]+="$rate "
      medians[$proxy]+="$p50 "
      tails[$proxy]+="$p99 "
    done
  done
  for proxy in "${compared[@]}"; do stop "$proxy"; done

  # What else runs on the machine only ever adds to what a request costs: the least of the rounds has the least of it.
  declare -A middle least
  of() { tr ' ' '\n' <<<"${1% }" | median; }
  for proxy in "${compared[@]}"; do
    middle[$proxy]=$(of "${costs[$proxy]}")
    least[$proxy]=$(tr ' ' '\n' <<<"${costs[$proxy]% }" | sort -n | head -n 1)
  done
  echo "$title; $connections connections, 1 worker, $rounds interleaved rounds of $count requests"
  printf '%-10s %8s %8s %9s %8s %8s %9s %9s %8s %8s\n' proxy "CPU us" "/ nginx" "/ haproxy" least "/ nginx" "/ haproxy" "req/s" "p50 us" "p99 us"
  for proxy in "${compared[@]}"; do
    printf '%-10s %8.1f %8s %9s %8.1f %8s %9s %9.0f %8.0f %8.0f\n' "$proxy" \
      "${middle[$proxy]}" "$(ratio "${middle[$proxy]}" "${middle[nginx]:-}")" "$(ratio "${middle[$proxy]}" "${middle[haproxy]:-}")" \
      "${least[$proxy]}" "$(ratio "${least[$proxy]}" "${least[nginx]:-}")" "$(ratio "${least[$proxy]}" "${least[haproxy]:-}")" \
      "$(of "${rates[$proxy]}")" "$(of "${medians[$proxy]}")" "$(of "${tails[$proxy]}")"
  done
}

# Each proxy writes an access log to a file (nginx: buffered, haproxy: unbuffered, to stdout), adds X-Forwarded-For and
# X-Request-Id, and keeps 64 connections to the upstream. The requests have the eight fields that a browser sends.
measure_small() { compare "GET, $body bytes" "$requests" 64 "/bytes/$body"; }
measure_large() { local compared=("${with_tuned[@]}"); compare "GET, 64 KiB" $((requests / 4)) 64 /bytes/65536; }
measure_huge() { local compared=("${with_tuned[@]}"); compare "GET, 1 MiB" $((requests / 50)) 16 /bytes/1048576; }
measure_upload() { local compared=("${with_tuned[@]}"); compare "POST, 16 KiB" $((requests / 4)) 64 "/bytes/$body" --post 16384; }
measure_connect() { compare "GET, $body bytes, a connection for each" $((requests / 5)) 64 "/bytes/$body" --close; }
measure_tls() {
  local with_tls=1
  compare "GET, $body bytes, TLS" "$requests" 64 "/bytes/$body" --tls
  echo
  compare "GET, $body bytes, a TLS connection for each" $((requests / 20)) 16 "/bytes/$body" --tls --close
}

measure_workers() {
  local workers round cost rate p50 p99
  echo "hangup: GET, $body bytes, 64 connections; with 2 workers the load and the upstream have fewer of the $(nproc) processors"
  printf '%-8s %8s %9s %8s %8s\n' workers "CPU us" "req/s" "p50 us" "p99 us"
  for ((round = 0; round < rounds; ++round)); do
    for workers in 1 2; do
      start_hangup "$upstream_port" "$(free_port)" sqlite "$workers"
      # shellcheck disable=SC2046  # one argument each
      read -r cost rate p50 p99 < <("$bin/bench_load" "${port_of[hangup]}" "/bytes/$body" 64 $((requests / 2)) $(pids hangup))
      printf '%-8s %8.1f %9.0f %8.0f %8.0f\n' "$workers" "$cost" "$rate" "$p50" "$p99"
      stop hangup
    done
  done | sort -k1,1n -k2,2n
}

measure_instructions() {
  local count=10000
  command -v valgrind >/dev/null || { echo "instructions: needs valgrind" && return; }
  local plain=$hangup
  hangup=$dir/counted
  printf '#!/bin/sh\nexec valgrind -q --tool=callgrind --callgrind-out-file=%s --instr-atstart=no %s "$@"\n' \
    "$dir/callgrind.out" "$(realpath "$plain")" >"$hangup"
  chmod +x "$hangup"
  start_hangup "$upstream_port" "$(free_port)"
  hangup=$plain
  "$bin/bench_load" "${port_of[hangup]}" "/bytes/$body" 64 1000 "${pid_of[hangup]}" >/dev/null
  callgrind_control -i on "${pid_of[hangup]}" >/dev/null 2>&1
  "$bin/bench_load" "${port_of[hangup]}" "/bytes/$body" 64 "$count" "${pid_of[hangup]}" >/dev/null
  callgrind_control -d "${pid_of[hangup]}" >/dev/null 2>&1
  stop hangup
  callgrind_annotate --tree=caller --inclusive=yes --threshold=100 "$dir/callgrind.out.1" 2>/dev/null >"$dir/callgrind.txt"
  awk -v count="$count" '
    /^totals: / {printf "hangup: %.0f instructions per small request (GET, all threads)\n", $2 / count}' "$dir/callgrind.out.1"
  # The callers stand before the function, each with its number of calls.
  awk -v count="$count" '
    /</ && match($0, /\(([0-9,]+)x\)/) {calls = substr($0, RSTART + 1, RLENGTH - 3); gsub(",", "", calls); sum += calls; next}
    / \* / {if ($0 ~ /pthread_mutex_lock/) locks += sum; sum = 0}
    /^$/ {sum = 0}
    END {printf "hangup: %d mutexes locked in %d requests, by all threads\n", locks, count}' "$dir/callgrind.txt"
}

measure_disconnect() {
  local proxy in_flight port p50 p99 most
  echo "microseconds from the client's close to the upstream seeing its connection closed, 1,000 disconnects one after another"
  printf '%-10s %10s %8s %8s %8s\n' proxy "in flight" p50 p99 max
  for in_flight in 0 1000 "$most_in_flight"; do
    for proxy in "${proxies[@]}"; do
      port=$(free_port)
      "start_$proxy" "$port"
      read -r p50 p99 most < <("$bin/bench_disconnect" "${port_of[$proxy]}" "$port" 1000 "$in_flight" || echo - - -)
      printf '%-10s %10s %8s %8s %8s\n' "$proxy" "$in_flight" "$p50" "$p99" "$most"
      stop "$proxy"
    done
  done
}

measure_storm() {
  local proxy port receiver closed called
  echo "milliseconds from $most_in_flight clients' leaving at once to the last close at the upstream, and to the last cleanup's arrival"
  echo "(of hangup: each was committed before)"
  printf '%-10s %10s %10s\n' proxy closes cleanups
  for proxy in "${proxies[@]}"; do
    port=$(free_port)
    receiver=
    if [ "$proxy" = hangup ]; then
      receiver=$(free_port)
      start_hangup "$port" "$receiver"
    else
      "start_$proxy" "$port"
    fi
    # shellcheck disable=SC2086  # no argument without a receiver
    read -r closed called < <("$bin/bench_disconnect" "${port_of[$proxy]}" "$port" storm "$most_in_flight" $receiver || echo - -)
    printf '%-10s %10s %10s\n' "$proxy" "$closed" "$([ -n "$receiver" ] && echo "$called" || echo -)"
    stop "$proxy"
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
