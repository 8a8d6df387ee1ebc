#!/usr/bin/env bash
# Installs a package into a clean Debian, runs the program there, and purges it. Must be run by root.
#
#   contrib/test-deb.sh target/deb/archiver.deb
#
# The clean Debian is kept as target/debian-root.tar, so that only the first time is slow.
set -euo pipefail
[[ $# == 1 && $EUID == 0 ]] || { echo "usage, as root: contrib/test-deb.sh PACKAGE" >&2; exit 2; }
package=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"; }
mode() { # WANTED PATH
  local is
  is=$(stat -c '%a %U:%G' "$root$2") || fail "$2 is not there"
  [[ $is == "$1 root:root" ]] || fail "$2 is $is, not $1 root:root"
}

contrib/debian-root.sh target/debian-root.tar ca-certificates
tar -C "$root" -xf target/debian-root.tar

cp "$package" "$root/archiver.deb"
inside dpkg --install /archiver.deb >/dev/null

echo "-- what it installed"
mode 755 /usr/bin/archiver
mode 644 /etc/archiver/archiver.toml
mode 755 /etc/archiver
mode 700 /var/lib/archiver
for unit in systemd/*.service systemd/*.timer; do mode 644 "/usr/lib/systemd/system/$(basename "$unit")"; done
for unit in archiver archiver-once; do mode 644 "/usr/lib/systemd/system/$unit.service.d/archiver-web.conf"; done
mode 644 /usr/lib/sysusers.d/archiver.conf
mode 644 /usr/share/man/man1/archiver.1.gz
mode 644 /usr/share/man/man1/archiver-login.1.gz
mode 644 /usr/share/bash-completion/completions/archiver
[[ $(inside dpkg-query -W -f '${Conffiles}' archiver) == *" /etc/archiver/archiver.toml "* ]] || fail "no conffile"
strange=$(find "$root" -xdev -path "$root/proc" -prune -o -newer "$root/archiver.deb" -type f -perm /6022 -print)
[[ -z $strange ]] || fail "too open: $strange"

echo "-- nothing is started or enabled"
enabled() { find "$root/etc/systemd" -name 'archiver*' -printf '%f\n' 2>/dev/null; }
[[ -z $(enabled) ]] || fail "a unit is enabled"
systemctl --root="$root" --quiet preset archiver.service archiver.timer
[[ -z $(enabled) ]] || fail "the preset enables a unit"

echo "-- but each can be"
for unit in archiver.service archiver.timer; do
  systemctl --root="$root" --quiet enable "$unit"
  [[ $(enabled) == "$unit" ]] || fail "$unit cannot be enabled"
  systemctl --root="$root" --quiet disable "$unit"
done

echo "-- it runs"
inside archiver --version
inside sh -c 'cd /tmp && archiver demo' >"$root/demo"
grep -q 'In all, the made-up API charged' "$root/demo" || fail "the demo does not come to its end"
inside archiver sync --once --dry-run | grep -q 'The next run makes no request' || fail "the default configuration"
# Unconfigured: it says what is missing.
status=0
inside archiver check >"$root/check" 2>&1 || status=$?
[[ $status == 78 ]] && grep -q 'api_key' "$root/check" || fail "check ended with $status"

echo "-- it leaves what is yours"
echo kept >"$root/var/lib/archiver/archive.db"
inside dpkg --purge archiver >/dev/null
[[ ! -e $root/usr/bin/archiver && ! -e $root/etc/archiver/archiver.toml ]] || fail "the purge left something"
[[ -z $(find "$root/usr" -name 'archiver*' -o -name '_archiver') ]] || fail "the purge left something in /usr"
[[ $(cat "$root/var/lib/archiver/archive.db") == kept ]] || fail "the archive is gone"
echo "-- well"
