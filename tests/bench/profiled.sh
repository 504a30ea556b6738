#!/usr/bin/env bash
# Builds build/profiled/hangup: compiled by g++ for what a first build of it did under the loads of run.sh, which is some
# percent less CPU per request. Needs what run.sh needs, but for the peers.
set -euo pipefail
cd "$(dirname "$0")/../.."

build() {  # record|use
  # Several sources at once: sooner, and it inlines across them.
  cmake --preset release -B build/profiled -DBUILD_TESTING=OFF -DCMAKE_UNITY_BUILD=ON -DHANGUP_PROFILE="$1" >/dev/null
  cmake --build build/profiled --target hangup | tail -n 1
}
rm -rf build/profiled  # with the profile of other sources
build record
# Each way that requests go; of the small ones, which cost the most beside their bytes, the most.
HANGUP=build/profiled/hangup tests/bench/run.sh --alone --rounds 1 --requests 40000 --hold 500 --disconnects 20 \
  small large huge upload connect tls disconnect storm matrix >/dev/null
build use
