# shellcheck shell=bash
# shellcheck disable=SC2154  # of run.sh, which sources this
# The matrix of disconnects: every row of bench_matrix through each proxy, in turns. To be sourced by run.sh.

matrix_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -keyout "$dir/tls.key" -out "$dir/tls.pem" 2>/dev/null
  cat "$dir/tls.pem" "$dir/tls.key" >"$dir/tls-both.pem"
  chmod 600 "$dir/tls.key" "$dir/tls-both.pem"
}

# Each listens at PORT in plain text and at TLS-PORT.
start_matrix_nginx() {  # PORT TLS-PORT UPSTREAM-PORT
  cat >"$dir/matrix-nginx.conf" <<CONF
worker_processes 1;
daemon off;
pid $dir/matrix-nginx.pid;
error_log $dir/matrix-nginx-error.log;
events { worker_connections 4096; }
http {
  access_log $dir/matrix-nginx-access.log combined buffer=16k flush=1s;
  client_body_temp_path $dir/matrix-body; proxy_temp_path $dir/matrix-proxy; fastcgi_temp_path $dir/matrix-fastcgi;
  uwsgi_temp_path $dir/matrix-uwsgi; scgi_temp_path $dir/matrix-scgi;
  map \$http_upgrade \$connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:$1;
    listen 127.0.0.1:$2 ssl;
    ssl_certificate $dir/tls.pem;
    ssl_certificate_key $dir/tls.key;
    location / {
      proxy_pass http://127.0.0.1:$3;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_set_header Upgrade \$http_upgrade;
      proxy_set_header Connection \$connection_upgrade;
      proxy_set_header Host \$http_host;
      proxy_read_timeout 300s;
    }
  }
}
CONF
  start nginx "$1" nginx -p "$dir" -c "$dir/matrix-nginx.conf"
}

start_matrix_haproxy() {  # PORT TLS-PORT UPSTREAM-PORT
  cat >"$dir/matrix-haproxy.cfg" <<CONF
global
  nbthread 1
  maxconn 4096
  log stdout format raw daemon info
defaults
  mode http
  log global
  option httplog
  option abortonclose
  timeout connect 1s
  timeout client 300s
  timeout server 300s
  timeout tunnel 300s
frontend bench
  bind 127.0.0.1:$1
  bind 127.0.0.1:$2 ssl crt $dir/tls-both.pem
  default_backend bench
backend bench
  server upstream 127.0.0.1:$3
CONF
  start haproxy "$1" haproxy -db -f "$dir/matrix-haproxy.cfg"
}

start_matrix_hangup() {  # PORT TLS-PORT UPSTREAM-PORT
  cat >"$dir/matrix-hangup.yaml" <<CONF
workers: 1
listeners:
  - address: 127.0.0.1:$1
  - {address: "127.0.0.1:$2", tls: {certificates: [{cert: $dir/tls.pem, key: $dir/tls.key}]}}
upstreams:
  bench: {servers: ["http://127.0.0.1:$3"]}
routes:
  - {match: {path: "/*"}, upstream: bench, on_disconnect: {cleanup: none}}
outbox: {path: $dir/matrix-outbox.db}
access_log: {path: $dir/matrix-hangup-access.log}
log: {path: stderr, level: warn}
shutdown: {drain: 1s}
CONF
  start hangup "$1" "$hangup" run -c "$dir/matrix-hangup.yaml"
}

# One row: its name, and of each proxy what it found and how fast.
measure_matrix_row() {  # ROW plain|tls COUNT
  local proxy ports=() did found p50 p99 taken
  for proxy in "${proxies[@]}"; do
    ports+=("$([ "$2" = tls ] && echo "${matrix_tls_port[$proxy]}" || echo "${port_of[$proxy]}")" "${matrix_upstream_port[$proxy]}")
  done
  printf '%-13s' "$1"
  while read -r did found p50 p99 taken; do
    case $did in
      -) [ "${found%/*}" = 0 ] && did="$found" || did="$found $p50 / $p99" ;;
    esac
    [ "$1" != unread-fin ] || did+=" ($taken MB)"
    printf ' %-30s' "$did"
  done < <("$bin/bench_matrix" "$1" "$3" "${ports[@]}" || echo - -/- - - -)
  echo
}

declare -A matrix_tls_port matrix_upstream_port
measure_matrix() {
  local proxy row kind count
  matrix_certificate
  for proxy in "${proxies[@]}"; do
    matrix_tls_port[$proxy]=$(free_port)
    matrix_upstream_port[$proxy]=$(free_port)
    "start_matrix_$proxy" "$(free_port)" "${matrix_tls_port[$proxy]}" "${matrix_upstream_port[$proxy]}"
  done
  echo "disconnects found of those tried, and milliseconds from the client's leaving to the upstream seeing its connection"
  echo "closed, p50 / p99; $matrix_count of each, proxies by turns; one that has missed the first 10 of a row is given up"
  printf '%-13s' row
  printf ' %-30s' "${proxies[@]}"
  echo
  while read -r row kind; do
    count=$matrix_count
    [ "$row" != unread-fin ] || count=$((matrix_count / 10 + 1))  # each waits until nothing more is taken
    measure_matrix_row "$row" "${kind:-plain}" "$count"
  done < <("$bin/bench_matrix" rows)
  for proxy in "${proxies[@]}"; do stop "$proxy"; done
}
