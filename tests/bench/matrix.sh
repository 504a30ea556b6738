# shellcheck shell=bash
# shellcheck disable=SC2154  # of run.sh, which sources this
# The matrix of disconnects: every row of bench_matrix through each proxy, in turns. To be sourced by run.sh.

# One row: its name, and of each proxy what it found and how fast.
measure_matrix_row() {  # ROW plain|tls COUNT
  local proxy ports=() did found p50 p99 low high taken
  for proxy in "${in_turns[@]}"; do
    ports+=("$([ "$2" = tls ] && echo "${tls_port_of[$proxy]}" || echo "${port_of[$proxy]}")" "${matrix_upstream_port[$proxy]}")
  done
  printf '%-13s' "$1"
  while read -r did found p50 p99 low high taken; do
    case $did in
      -) [ "${found%/*}" = 0 ] && did="$found" || did="$found $p50 / $p99 ($low-$high)" ;;
    esac
    [ "$1" != unread-fin ] || did+=" ($taken MB)"
    printf ' %-36s' "$did"
  done < <("${apart[@]}" "$bin/bench_matrix" "$1" "$3" "${ports[@]}" || echo - -/- - - - - -)
  echo
}

declare -A matrix_upstream_port
measure_matrix() {
  local proxy row kind count pid apart=() in_turns=("${proxies[@]}")
  case " ${proxies[*]} " in *" hangup "*) in_turns+=(hangup-abort) ;; esac
  # shellcheck disable=SC2034  # start_hangup and start_haproxy look at it
  local with_tls=1
  for proxy in "${in_turns[@]}"; do
    matrix_upstream_port[$proxy]=$(free_port)
    # shellcheck disable=SC2016  # nginx's variables
    case $proxy in  # with nothing that would hold back what streams
      nginx) start_nginx "${matrix_upstream_port[$proxy]}" nginx \
        'proxy_buffering off; proxy_request_buffering off; proxy_set_header Upgrade $http_upgrade;' '$http_connection' ;;
      haproxy) start_haproxy "${matrix_upstream_port[$proxy]}" 'option http-no-delay' ;;
      *) "start_$proxy" "${matrix_upstream_port[$proxy]}" ;;
    esac
  done
  echo "disconnects found of those tried, and milliseconds from the client's leaving to the upstream seeing its connection"
  echo "closed, p50 / p99, each the median of its rounds of 200 (of p99 the quartiles too); $matrix_count disconnects of each, proxies"
  echo "by turns; a proxy that has missed the first 10 of a row is given up"
  # As if client and server were other machines. Left to choose, the scheduler wakes some on the processor that is awake
  # and others on the one that sleeps, which is five times what a proxy takes.
  if taskset -c 0,1 true 2>/dev/null; then
    echo "clients and upstream on one processor, the proxies on another"
    apart=(taskset -c 0)
    for proxy in "${in_turns[@]}"; do
      for pid in $(pids "$proxy"); do taskset -acp 1 "$pid" >/dev/null; done
    done
  fi
  printf '%-13s' row
  printf ' %-36s' "${in_turns[@]}"
  echo
  while read -r row kind; do
    count=$matrix_count
    [ "$row" != unread-fin ] || count=$((matrix_count / 10 + 1))  # each waits until nothing more is taken
    [ -z "$matrix_rows" ] || [[ " $matrix_rows " = *" $row "* ]] || continue
    measure_matrix_row "$row" "${kind:-plain}" "$count"
  done < <("$bin/bench_matrix" rows)
  for proxy in "${in_turns[@]}"; do stop "$proxy"; done
}
