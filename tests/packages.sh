# shellcheck shell=bash
# The Debian packages that hangup is built and tested with, and installing those that are missing. To be sourced.

build_packages=(g++ cmake ninja-build ccache pkg-config libevent-dev libssl-dev libyaml-cpp-dev libspdlog-dev libfmt-dev
  libcli11-dev nlohmann-json3-dev libsqlite3-dev libdeflate-dev libmimalloc-dev prometheus-cpp-dev libsystemd-dev)
# shellcheck disable=SC2034  # used by whoever sources this
test_packages=("${build_packages[@]}" libgtest-dev libgmock-dev clang-19 libclang-rt-19-dev clang-format-19 shellcheck curl python3 systemd
  prometheus python3-jsonschema python3-yaml mandoc)
# What the recipes are proved against: Debian starts the services of some of them, which the tests leave alone.
# shellcheck disable=SC2034
backend_packages=(clickhouse-server nodejs php8.2-fpm nginx haproxy python3-fastapi uvicorn python3-websockets cargo librust-hyper-dev librust-tokio-dev)

# Installs those of the named packages that are not there; says nothing when none is missing.
install_missing() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then as_root=(sudo ${CI:+-n}); fi
  echo "installing ${missing[*]} ..."
  local log status=0
  log=$(mktemp)
  { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$status"
}
