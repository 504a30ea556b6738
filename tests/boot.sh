#!/usr/bin/env bash
# Installs the Debian package in a clean Debian 12, and boots that in QEMU, with its own kernel and systemd: tests/shipping/boot_trial.sh
# says what is tried there. As root, with network; leaves nothing behind. The processor is emulated, so that nothing else is needed;
# where KVM is to be had, BOOT_ACCELERATOR=kvm is faster.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/packages.sh
. tests/packages.sh
# shellcheck source=tests/shipping/debian.sh
. tests/shipping/debian.sh
[ "$(dpkg --print-architecture)" = amd64 ] || { echo "the kernel and the machine are for amd64 only: skipped" && exit 77; }
install_missing "${debian_packages[@]}" qemu-system-x86 e2fsprogs

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
make_package "$work"

echo "---- a Debian that boots"
make_debian "$root" systemd-sysv linux-image-cloud-amd64
cp -r tests/shipping "$root/trial"
cat >"$root/etc/systemd/system/trial.service" <<'UNIT'
[Unit]
Description=Trial of hangup
SuccessAction=poweroff
FailureAction=poweroff

[Service]
ExecStart=/bin/bash /trial/boot_trial.sh
StandardOutput=file:/dev/ttyS1
StandardError=inherit

[Install]
WantedBy=multi-user.target
UNIT
quietly in_debian "$root" systemctl enable trial.service
cp "$root"/boot/vmlinuz-* "$work/kernel"
cp "$root"/boot/initrd.img-* "$work/initrd"
chmod 755 "$root"  # of what becomes /
quietly mke2fs -t ext4 -d "$root" "$work/disk" 2G
rm -rf "$root"

echo "---- booted"
# The kernel and systemd write to the first serial port, and the trial to the second.
timeout "${BOOT_SECONDS:-1200}" qemu-system-x86_64 -accel "${BOOT_ACCELERATOR:-tcg}" -cpu max -smp 2 -m 1024 \
  -kernel "$work/kernel" -initrd "$work/initrd" -append 'root=/dev/vda rw console=ttyS0 panic=-1' -no-reboot \
  -drive "file=$work/disk,format=raw,if=virtio" -device virtio-rng-pci -nic none -display none -monitor none \
  -serial "file:$work/console" -serial stdio </dev/null 2>&1 | tee "$work/trial" || true
grep -q '^all of it as it should be' "$work/trial" && exit
[ -s "$work/trial" ] || tail -n 50 "$work/console"
exit 1
