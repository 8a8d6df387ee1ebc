#!/usr/bin/env bash
# Builds target/deb/archiver.deb; needs cargo-deb, which it installs where it is missing, and dpkg-dev.
#
#   contrib/build-deb.sh
#   contrib/build-deb.sh --of-debug-build   target/deb/archiver-debug.deb, of the program in target/debug as it is: to try
#                                           the package, not to ship it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
made=target/deb
name=archiver.deb
options=()

command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
case "${1-}" in
  '') cargo build --release --locked --features encrypt,lake,mcp,parquet ;;
  --of-debug-build) # cargo-deb takes nothing but what stands where a release would
    name=archiver-debug.deb
    options=(--fast)
    stand_in=$(mktemp -d)
    trap 'rm -rf "$stand_in"' EXIT
    install -D "$CARGO_TARGET_DIR/debug/archiver" "$stand_in/release/archiver"
    CARGO_TARGET_DIR=$stand_in
    ;;
  *) echo "usage: contrib/build-deb.sh [--of-debug-build]" >&2; exit 2 ;;
esac
program=$CARGO_TARGET_DIR/release/archiver

rm -rf "$made"
mkdir -p "$made/man"
"$program" man --out "$made/man"
for shell in bash zsh fish; do
  "$program" completions "$shell" >"$made/archiver.$shell"
done
# The service's state is not kept beside its configuration.
"$program" default-config |
  sed 's|^path = "archive.db"$|path = "/var/lib/archiver/archive.db"|' >"$made/archiver.toml"
grep -q '^path = "/var/lib/archiver/archive.db"$' "$made/archiver.toml"

cargo deb --no-build --locked "${options[@]}" --output "$made/$name"
ls -l "$made/$name"
