#!/usr/bin/env bash
# Every check there is, in stages. Installs what is missing on Debian 12.
#   tests/run.sh                  all of them but those that take long and show little more
#   tests/run.sh STAGE...         some of them; `tests/run.sh --list` names them
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh

# The cheap ones first. The builds follow each other, since each keeps all processors busy.
stages=(format layers shell release backends install hardening examples demo unit-file asan fuzz tsan)
# Only when asked for: take many minutes; package and boot need root and a Debian mirror.
optional_stages=(clang tidy package boot)
jobs=$(nproc)
# End-to-end tests mostly wait, so more of them than processors may run at a time.
test_jobs=${TEST_JOBS:-$((3 * jobs))}

scripts() { find conf tests .ci -name '*.sh' -o -path .ci/run -o -path conf/debian/postinst -o -path conf/debian/postrm -o -path conf/debian/prerm; }
sources() { find src include tests -name '*.cpp' -o -name '*.h'; }

stage_format() { sources | xargs clang-format-19 --dry-run -Werror; }
stage_layers() { tests/layers.sh; }
stage_shell() { scripts | xargs shellcheck -x; }

configure_and_build() {  # PRESET CMAKE-ARGUMENT...
  local preset=$1
  shift
  cmake --preset "$preset" -DBUILD_TESTING=ON -DHANGUP_WERROR=ON "$@" >/dev/null
  cmake --build --preset "$preset" -j "$jobs" | tail -n 50
}

# What CI builds from nothing, developers build again and again.
build_release() {
  configure_and_build release -DCMAKE_UNITY_BUILD="${CI:+ON}" -DCMAKE_UNITY_BUILD_BATCH_SIZE=8 -DHANGUP_UNITY_TESTS="${CI:+ON}" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O2 -g${CI:+1} -DNDEBUG"
}
stage_release() {
  build_release
  ctest --preset release --no-tests=error -j "$test_jobs" -LE real-backend
}
# The recipes, before the servers that they are for.
stage_backends() {
  install_missing "${backend_packages[@]}"
  build_release
  cmake --build --preset release -j "$jobs" --target hyper_backend
  ctest --preset release --no-tests=error -j "$test_jobs" -L real-backend
}
# The sources of the end-to-end tests too, which the sanitizers' stages leave to g++.
stage_clang() {
  configure_and_build clang -DCMAKE_BUILD_TYPE=Debug
  ctest --preset clang --no-tests=error -j "$test_jobs" -L unit
}
# The unit tests and the binary by a sanitizer; the end-to-end tests, which only start it, are the release build's.
# asan is clang's, so that both compilers have seen everything else, and has the fuzzers: building them costs more than running them.
sanitized() {  # PRESET COMMAND-BEFORE...
  local preset=$1
  shift
  cmake --preset "$preset" -DBUILD_TESTING=ON -DHANGUP_WERROR=ON >/dev/null
  "$@" cmake --build --preset "$preset" -j "$jobs" --target hangup unit_tests | tail -n 50
  build_release
  "$@" ctest --preset "$preset" --no-tests=error -j "$test_jobs" -L unit
  HANGUP_BINARY=$PWD/build/$preset/hangup "$@" ctest --preset release --no-tests=error -j "$test_jobs" -L e2e
}
stage_asan() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
  sanitized asan env
}
stage_tsan() {
  # Kernels with much address-space randomisation place mappings where the sanitizer does not expect them.
  local fixed=()
  if setarch "$(uname -m)" -R true 2>/dev/null; then fixed=(setarch "$(uname -m)" -R); fi
  export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0
  sanitized tsan env "${fixed[@]}"
}

# Each fuzzer for FUZZ_SECONDS. What it finds is kept in build/asan/findings; `build/asan/tests/fuzz/fuzz_NAME FILE` shows it again.
stage_fuzz() {
  cmake --preset asan -DBUILD_TESTING=ON -DHANGUP_WERROR=ON >/dev/null
  cmake --build --preset asan -j "$jobs" --target fuzz | tail -n 50
  mkdir -p build/asan/findings
  printf '%s\n' build/asan/tests/fuzz/fuzz_* | xargs -P "$jobs" -I{} bash -c 'fuzz {}'
}
fuzz() {  # FUZZER
  local name=${1##*/fuzz_} found=build/asan/findings status=0
  mkdir -p "$found/$name-corpus"
  # What is found to be new goes to the first directory; the second has the seeds.
  "$1" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$found/$name-" "$found/$name-corpus" "tests/fuzz/corpus/$name" >"$found/$name.log" 2>&1 || status=1
  [ "$status" -eq 0 ] || tail -n 40 "$found/$name.log"
  echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found/$name.log") inputs"
  return "$status"
}
export -f fuzz

stage_tidy() {
  cmake --preset clang -DBUILD_TESTING=ON >/dev/null
  find src -name '*.cpp' -print0 | xargs -0 -P "$jobs" -n 1 clang-tidy-19 -p build/clang --quiet
}

stage_package() { tests/package.sh; }
stage_boot() { tests/boot.sh; }

need_release() {
  [ -x build/release/hangup ] || build_release
}
stage_install() {
  need_release
  local root
  root=$(mktemp -d)
  # shellcheck disable=SC2064  # the directory of now
  trap "rm -rf '$root'" EXIT
  DESTDIR=$root cmake --install build/release >/dev/null
  local prefix=$root/usr/local file
  for file in bin/hangup etc/hangup/hangup.yaml lib/systemd/system/hangup.service lib/systemd/system/hangup.socket share/doc/hangup/README.md \
    share/doc/hangup/LICENSE share/doc/hangup/examples/hangup.yaml share/doc/hangup/examples/recipes/clickhouse.yaml \
    share/man/man1/hangup.1 share/man/man5/hangup.yaml.5 share/bash-completion/completions/hangup \
    share/hangup/hangup.schema.json; do
    [ -e "$prefix/$file" ] || { echo "not installed: $file" && find "$root" -type f && exit 1; }
  done
  grep -q '^ExecStart=/usr/local/bin/hangup run -c /usr/local/etc/hangup/' "$prefix/lib/systemd/system/hangup.service"
  # Style is ours: lines are as long as elsewhere in this tree.
  mandoc -T lint -W warning "$prefix"/share/man/man?/*
  # The page names every command and option there is.
  local word
  while read -r word; do
    grep -qE -e "(^|[ .])(Fl )?${word#-}( |$)" "$prefix/share/man/man1/hangup.1" || { echo "hangup(1) does not mention $word" && exit 1; }
  done < <(sed -n 's/^    "[a-z ]*") words="\(.*\)" ;;/\1/p' "$prefix/share/bash-completion/completions/hangup" | tr ' ' '\n' | sort -u)
  "$prefix/bin/hangup" version
}
stage_examples() {
  need_release
  local file
  for file in conf/*.yaml conf/recipes/*.yaml; do
    build/release/hangup check -c "$file"
  done
  tests/examples.py build/release/hangup
  tests/sidecar.py build/release/hangup
}
stage_demo() {
  need_release
  build/release/hangup demo --once
}
# What the compiler and the linker were asked for, seen in the binary.
stage_hardening() {
  need_release
  local binary=build/release/hangup
  expect() {  # WHAT PATTERN READELF-OPTION...
    local what=$1 pattern=$2
    shift 2
    readelf -W "$@" "$binary" | grep -E "$pattern" >/dev/null || { echo "not so in $binary: $what" && exit 1; }
  }
  expect "position independent" 'Type: +DYN' -h
  expect "its relocations become read-only" GNU_RELRO -l
  expect "all of them at the start" 'BIND_NOW|FLAGS_1.*NOW' -d
  expect "no executable stack" 'GNU_STACK.* RW ' -l
  expect "a stack protector" __stack_chk_fail --dyn-syms
  expect "fortified functions" '__(memcpy|read|recv|snprintf|fdelt|poll)_chk' --dyn-syms
}
stage_unit-file() {
  if ! command -v systemd-analyze >/dev/null; then
    [ -z "${CI:-}" ] || { echo "no systemd-analyze here, and nothing may be left out where CI is set" && exit 1; }
    echo "no systemd-analyze here: skipped" && exit "$skipped"
  fi
  # It wants to find what the unit starts, which is not installed here.
  local units
  units=$(mktemp -d)
  sed 's|/usr/bin/hangup|/bin/true|' systemd/hangup.service >"$units/hangup.service"
  cp systemd/hangup.socket "$units"
  local said
  said=$(systemd-analyze verify "$units"/hangup.service "$units"/hangup.socket 2>&1) || { echo "$said" && exit 1; }
  if grep -E 'hangup\.(service|socket)' <<<"$said"; then exit 1; fi
  # In tenths: how much a process that was taken over could still do.
  systemd-analyze security --offline=yes --threshold=19 "$units/hangup.service" | tail -n 1
}

skipped=77
results=()
failures=0
run_stage() {
  local stage=$1 status=0 start=$SECONDS verdict
  echo "==== $stage"
  set +e
  (
    set -e
    "stage_$stage"
  )
  status=$?
  set -e
  case $status in
    0) verdict=Passed ;;
    "$skipped") verdict=Skipped ;;
    *) verdict='***Failed' && failures=$((failures + 1)) ;;
  esac
  results+=("$(printf '%-12s %-10s %4d s' "$stage" "$verdict" $((SECONDS - start)))")
}

if [ "${1:-}" = --list ]; then
  printf '%s\n' "${stages[@]}" "${optional_stages[@]}"
  exit 0
fi
chosen=("${@:-${stages[@]}}")
for stage in "${chosen[@]}"; do
  declare -F "stage_$stage" >/dev/null || { echo "no stage $stage; there are: ${stages[*]} ${optional_stages[*]}" >&2 && exit 2; }
done
install_missing "${test_packages[@]}"
for stage in "${chosen[@]}"; do
  run_stage "$stage"
done

echo
printf '    %s\n' "${results[@]}"
printf '\n%d of %d stages passed, in %d s\n' $((${#chosen[@]} - failures)) "${#chosen[@]}" "$SECONDS"
[ "$failures" -eq 0 ]
