#!/usr/bin/env bash
# Makes a clean Debian (debootstrap, minbase) with these packages, as a tar file, unless it is there. As root.
#
#   contrib/debian-root.sh TAR PACKAGE...
#
#   DEBIAN_MIRROR   [http://deb.debian.org/debian]
set -euo pipefail
[[ $# -ge 2 && $EUID == 0 ]] || { echo "usage, as root: contrib/debian-root.sh TAR PACKAGE..." >&2; exit 2; }
kept=$1
shift
[[ ! -f $kept ]] || exit 0
command -v debootstrap >/dev/null || { echo "debootstrap is missing: install the package debootstrap" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What was downloaded once is kept for the next root.
debs=$(realpath -m "$(dirname "$kept")/debs")
mkdir -p "$debs"
packages=$(IFS=,; echo "$*")
debootstrap --variant=minbase --cache-dir="$debs" --include="$packages" bookworm "$work/root" \
  "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/log" || { tail "$work/log" >&2; exit 1; }
rm -rf "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/*
tar -C "$work/root" --one-file-system -cf "$kept.part" .
mv "$kept.part" "$kept"
