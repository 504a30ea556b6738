#!/usr/bin/env bash
# Builds the Debian package, and installs and tries it in a clean Debian made by debootstrap. As root, with network; leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck source=tests/shipping/debian.sh
. tests/shipping/debian.sh
install_missing "${debian_packages[@]}" lintian iproute2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir "$root"
chmod 755 "$work" "$root"  # it is also tried by a user that is nobody
make_package "$work"

echo "---- lintian"
lintian --allow-root --fail-on error "$package"

echo "---- a clean Debian"
make_debian "$root"
cp -r tests/shipping "$root/trial"
install -d -o 65534 -g 65534 "$root/var/lib/hangup"

echo "---- installed: checked, started, one request, one disconnect"
# In a network of its own: the ports of the shipped configuration may be taken here.
# shellcheck disable=SC2016  # for the inner shell
unshare --net bash -c 'ip link set lo up && exec chroot --userspec=65534:65534 "$1" bash /trial/package_trial.sh' - "$root"

echo "---- removed"
quietly in_debian "$root" apt-get purge -y -qq hangup
for left in /usr/bin/hangup /etc/hangup /var/lib/hangup; do
  [ ! -e "$root$left" ] || { echo "left behind by purge: $left" && exit 1; }
done
echo "nothing left behind"
