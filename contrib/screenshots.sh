#!/usr/bin/env bash
# Makes the pictures of the documentation, docs/img/status.png and docs/img/conversation.png, from the demo's archive.
# Needs Chromium; the fonts it finds decide how other scripts look (on Debian: fonts-noto-core, fonts-noto-cjk,
# fonts-noto-color-emoji). pngquant makes the files smaller where it is installed.
#
#   contrib/screenshots.sh [PATH-TO-ARCHIVER]      the default is target/debug/archiver
#   CONVERSATION='Ada Example' contrib/screenshots.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
archiver=$(realpath "${1:-${CARGO_TARGET_DIR:-target}/debug/archiver}")
images=$PWD/docs/img
largest=200000 # bytes

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "chromium is missing: apt-get install --no-install-recommends chromium" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset "${!ARCHIVER_@}" # the machine's own configuration of the program is not to be seen
export TZ=UTC

(cd "$work" && "$archiver" demo >/dev/null 2>&1)
ask() { "$archiver" --config "$work/archiver-demo/archiver.toml" --log-level error "$@"; }
ask status --html "$work/status.html" >/dev/null 2>&1
ask export --format html --out "$work/pages" >/dev/null 2>&1
sed -i "s|$work/||g" "$work/status.html" # the folder is nobody's business

# The conversation to show: the longest one with a single person whose name is in plain letters.
name=${CONVERSATION:-$(ask sql --csv "
  SELECT name FROM conversation_log
  WHERE name GLOB '[A-Z]*' AND name NOT GLOB '*[^A-Za-z -]*' AND name <> 'LinkedIn Member'
  ORDER BY messages DESC LIMIT 1" | sed 1d | tr -d '\r')}
page=$(grep -lE "<h1[^>]*>$name</h1>" "$work"/pages/conversations/*.html | head -n 1) || {
  echo "no page of the export has the heading $name" >&2
  exit 1
}

shot() { # NAME PAGE WIDTH,HEIGHT
  # A fresh profile, and nothing that asks the network: the pages need none.
  timeout 120 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars \
    --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$work/profile-$1" \
    --screenshot="$work/$1.png" --window-size="$3" "file://$2" >/dev/null 2>&1 || true
  [[ -s $work/$1.png ]] || { echo "$browser made no picture of $2" >&2; exit 1; }
  if command -v pngquant >/dev/null; then pngquant --force --ext .png 64 "$work/$1.png"; fi
  local bytes
  bytes=$(stat -c %s "$work/$1.png")
  ((bytes <= largest)) || { echo "$1.png has $bytes bytes, more than $largest; install pngquant" >&2; exit 1; }
  install -m 644 "$work/$1.png" "$images/$1.png"
  echo "docs/img/$1.png: $bytes bytes"
}

mkdir -p "$images"
shot status "$work/status.html" 1100,1000
shot conversation "$page" 1000,900
