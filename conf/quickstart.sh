#!/usr/bin/env bash
# Builds hangup on a Debian 12 machine, installing what is missing, and shows it at work on loopback.
#   conf/quickstart.sh           the demo, until Ctrl-C
#   conf/quickstart.sh --once    ends after the scripted part
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh

install_missing "${build_packages[@]}"

# Tests need more packages; whoever has configured them already keeps them.
configure=(cmake --preset release)
[ -e build/release/CMakeCache.txt ] || configure+=(-DBUILD_TESTING=OFF)
echo "building hangup ..."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${configure[@]}" && cmake --build --preset release --target hangup; } >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
rm -f "$log"
exec build/release/hangup demo "$@"
