# shellcheck shell=bash
# The Debian package, and a clean Debian 12 to try it in. To be sourced by scripts that run as root, after tests/packages.sh.

[ "$(id -u)" -eq 0 ] || { echo "debootstrap and chroot need root" >&2 && exit 1; }
# shellcheck disable=SC2034  # used by whoever sources this
debian_packages=("${build_packages[@]}" dpkg-dev file debootstrap)

# Shows the end of what the command says only if it fails.
quietly() {  # COMMAND...
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 || status=$?
  [ "$status" -eq 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$status"
}

# Builds the package in DIRECTORY; its name is in `package` then.
make_package() {  # DIRECTORY
  cmake --preset release >/dev/null
  cmake --build --preset release --target hangup | tail -n 3
  (cd build/release && quietly cpack -G DEB -B "$1")
  package=$(echo "$1"/hangup_*.deb)
}

# A Debian at ROOT, from where this machine has its own packages, and the package installed there; it is also at ROOT/hangup.deb.
make_debian() {  # ROOT FURTHER-PACKAGE...
  local root=$1 mirror wanted
  shift
  wanted=$(IFS=, && echo "$*")
  # shellcheck disable=SC2016  # for apt
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' | awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')
  [ -n "$mirror" ] || { echo "apt knows no mirror of Debian bookworm" >&2 && return 1; }
  quietly debootstrap --variant=minbase ${wanted:+"--include=$wanted"} bookworm "$root" "$mirror"
  cp "$package" "$root/hangup.deb"
  quietly in_debian "$root" apt-get install -y -qq --no-install-recommends /hangup.deb
}

in_debian() {  # ROOT COMMAND...
  local root=$1
  shift
  chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"
}
