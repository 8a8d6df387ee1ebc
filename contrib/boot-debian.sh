#!/usr/bin/env bash
# Boots a Debian under qemu, installs the package there, and checks the units against systemd itself. By hand, as root.
#
#   contrib/boot-debian.sh [PACKAGE]     without one, contrib/build-deb.sh makes it
#
# Needs debootstrap, e2fsprogs and qemu-system-x86; the network only for the first time, as the bare Debian is kept as
# target/debian-boot.tar. Uses KVM where it can, and is slower elsewhere. What is checked is in contrib/boot-guest.sh.
#
#   DEBIAN_MIRROR   [http://deb.debian.org/debian]
#   BOOT_TIMEOUT    seconds for each of the two boots [1800]
#   BOOT_KEEP       a folder that the guest's console and results are left in
set -euo pipefail
[[ $# -le 1 && $EUID == 0 ]] || { echo "usage, as root: contrib/boot-debian.sh [PACKAGE]" >&2; exit 2; }
package=${1:+$(realpath "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

limit=${BOOT_TIMEOUT:-1800}
guest=contrib/boot-guest.sh
kept=target/debian-boot.tar
for tool in debootstrap mke2fs qemu-system-x86_64; do
  command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 2; }
done

work=$(mktemp -d)
finish() {
  [[ -z ${qemu-} ]] || kill "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
root=$work/root
mkdir "$root"

if [[ -z $package ]]; then
  contrib/build-deb.sh
  package=$(realpath target/deb/archiver.deb)
fi

# As little as boots, what the package depends on, and what the checks use. Nothing that the units might need by chance.
contrib/debian-root.sh "$kept" ca-certificates curl dbus jq linux-image-cloud-amd64 sqlite3 systemd systemd-sysv udev
tar -C "$root" -xf "$kept"

echo "-- its disk"
install -m 644 "$package" "$root/root/archiver.deb"
install -m 755 "$guest" "$root/root/boot-guest.sh"
cat >"$root/etc/systemd/system/boot-guest.service" <<'UNIT'
[Unit]
Description=The checks
# For every way in which the script can end.
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
ExecStart=/root/boot-guest.sh
WorkingDirectory=/root
Environment=HOME=/root LC_ALL=C.UTF-8
TTYPath=/dev/ttyS1
StandardOutput=tty
StandardError=tty

[Install]
WantedBy=multi-user.target
UNIT
# Made-up conversations; the address is one that a configuration can name beforehand.
cat >"$root/etc/systemd/system/fake-api.service" <<'UNIT'
[Service]
DynamicUser=yes
ExecStart=archiver --config /dev/null fake-api --port 8910
UNIT
# What the documentation has people write.
awk '/^```/ {within = ($0 == "```ini") && !n++; next} within' docs/backup.md >"$root/root/archiver-backup.service"
systemctl --root="$root" --quiet enable boot-guest.service
systemctl --root="$root" --quiet mask serial-getty@ttyS0.service getty@tty1.service
echo 'archive-test' >"$root/etc/hostname"
# Empty: a new machine, but one whose first boot, with its presets, is over.
: >"$root/etc/machine-id"
cp "$root"/boot/vmlinuz-* "$work/vmlinuz"
cp "$root"/boot/initrd.img-* "$work/initrd"
mke2fs -q -t ext4 -d "$root" "$work/disk" 3G
rm -rf "$root"

# A /dev/kvm is not always one that a kernel starts with.
kvm_works() {
  : >"$work/probe"
  timeout 20 qemu-system-x86_64 -machine q35 -accel kvm -cpu max -m 512 -nodefaults -display none -nic none -no-reboot \
    -kernel "$work/vmlinuz" -append "console=ttyS0 panic=-1" -serial "file:$work/probe" >/dev/null 2>&1 || return 1
  grep -q 'Linux version' "$work/probe"
} 2>/dev/null
accel=(-accel "tcg,thread=multi")
if [[ -w /dev/kvm ]] && kvm_works; then accel=(-accel kvm); fi
echo "-- qemu with ${accel[1]%%,*}"

boot() { # WHICH
  local began=$SECONDS
  echo "-- the $1 boot"
  : >"$work/results-$1"
  timeout "$limit" qemu-system-x86_64 -machine q35 "${accel[@]}" -cpu max -smp 2 -m 1024 \
    -nodefaults -display none -nic none -no-reboot \
    -kernel "$work/vmlinuz" -initrd "$work/initrd" \
    -append "root=/dev/vda rw console=ttyS0 panic=-1 boot-guest=$1" \
    -drive "file=$work/disk,format=raw,if=virtio,cache=unsafe" \
    -serial "file:$work/console-$1" -serial "file:$work/results-$1" >"$work/qemu-$1" 2>&1 &
  qemu=$!
  tail -q -n +1 -f --pid="$qemu" "$work/results-$1" | sed -u 's/\r$//'
  wait "$qemu" || echo "qemu ended with $?: $(tail -n 3 "$work/qemu-$1")" >&2
  unset qemu
  echo "-- the $1 boot took $((SECONDS - began)) s"
}
boot first
boot second
if [[ -n ${BOOT_KEEP-} ]]; then
  mkdir -p "$BOOT_KEEP"
  cp "$work"/console-* "$work"/results-* "$work"/qemu-* "$BOOT_KEEP"
fi

# Each check that the guest's script names must have passed, and each of its ends been reached.
results=$(cat "$work"/results-* | tr -d '\r')
failed=0 passed=0
while IFS= read -r name; do
  if grep -qFx -- "PASS $name" <<<"$results" && ! grep -qFx -- "FAIL $name" <<<"$results"; then
    passed=$((passed + 1))
    continue
  fi
  failed=$((failed + 1))
  if grep -qFx -- "FAIL $name" <<<"$results"; then echo "FAILED: $name"; else echo "MISSING: $name"; fi
done < <(sed -n 's/^ *check "\([^"]*\)".*/\1/p' "$guest")
for which in first second; do
  grep -qFx "END $which" <<<"$results" || { echo "MISSING: the end of the $which boot" && failed=$((failed + 1)); }
done
if ((failed)) && ! grep -q '^PASS' <<<"$results"; then tail -n 40 "$work/console-first"; fi
echo "-- $passed passed, $failed failed or missing, $SECONDS s in all"
((failed == 0 && passed > 0))
