#!/usr/bin/env bash
# Checks that a module includes only what stands to its left in
#   base <- http, net, config <- downstream, upstream, cleanup, observe <- proxy <- admin <- app
# that a module's private headers stay private, and that evhttp is named in downstream and in the admin listener only. Prints each offence.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A may=(
  [base]="base"
  [http]="base http"
  [net]="base net"
  [config]="base http config"
  [downstream]="base http net config downstream"
  [upstream]="base http net config upstream"
  [cleanup]="base http net config cleanup"
  [observe]="base http net config observe"
  [proxy]="base http net config downstream upstream cleanup observe proxy"
  [admin]="base http net config downstream upstream cleanup observe proxy admin"
  [app]="base http net config downstream upstream cleanup observe proxy admin app"
)
offences=0
offence() {
  echo "$1"
  offences=$((offences + 1))
}

check_includes() {  # MODULE: of its sources and of its public headers
  local module=$1 dirs=() dir place target
  for dir in "src/$module" "include/hangup/$module"; do
    [ ! -d "$dir" ] || dirs+=("$dir")
  done
  [ "${#dirs[@]}" -gt 0 ] || return 0
  while IFS=$'\t' read -r place target; do
    case " ${may[$module]} " in
      *" $target "*) ;;
      *) offence "$place: $module must not include $target" ;;
    esac
  done < <(grep -rnE --include='*.h' --include='*.cpp' '^#include <hangup/' "${dirs[@]}" |
    sed -E 's|^([^:]+:[0-9]+):#include <hangup/([^/]+)/.*|\1\t\2|')
  while IFS=$'\t' read -r place target; do
    [ "$target" = "$module" ] || offence "$place: src/$target is private to $target"
  done < <(grep -rnE --include='*.h' --include='*.cpp' '^#include "' "${dirs[@]}" |
    sed -E -e 's|^([^:]+:[0-9]+):#include "([^/"]+)/.*|\1\t\2|' -e "s|^([^:]+:[0-9]+):#include \"[^/\"]+\".*|\1\t$module|")
}

for module in "${!may[@]}"; do
  check_includes "$module"
done
for dir in src/*/; do
  module=$(basename "$dir")
  [ -n "${may[$module]:-}" ] || offence "$dir: a module without a place in the order"
done
while IFS= read -r line; do
  offence "$line: evhttp outside of src/downstream and src/admin/http_listener.cpp"
done < <(grep -rnE --include='*.h' --include='*.cpp' 'evhttp_|event2/http' src include | grep -vE '^src/(downstream/|admin/http_listener.cpp)' | cut -d: -f1,2)

[ "$offences" -eq 0 ] || exit 1
