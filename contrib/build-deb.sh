#!/usr/bin/env bash
# Builds target/deb/archiver.deb; needs cargo-deb, which it installs where it is missing, and dpkg-dev.
#
#   contrib/build-deb.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
program=$CARGO_TARGET_DIR/release/archiver
made=target/deb

command -v cargo-deb >/dev/null || cargo install --locked cargo-deb
cargo build --release --locked --features encrypt,lake,mcp,parquet

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

cargo deb --no-build --locked --output "$made/archiver.deb"
ls -l "$made/archiver.deb"
