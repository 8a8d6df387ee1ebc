#!/usr/bin/env bash
# Builds the book and checks the documents: every relative link and anchor, every chapter, every quoted message.
#
#   contrib/check-docs.sh
#
# Needs python3. Without mdbook the book is not built, which is a failure where $CI is set. To install it:
#   cargo install --locked --debug --no-default-features --features search --version 0.5.4 mdbook
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python3 contrib/check-docs.py

if command -v mdbook >/dev/null; then
  book=$(mktemp -d)
  trap 'rm -rf "$book"' EXIT
  log=$(mdbook build --dest-dir "$book/book" 2>&1) || { echo "$log" >&2; exit 1; }
  # mdbook goes on after what it warns of.
  if grep -E 'WARN|ERROR' <<<"$log" >&2; then exit 1; fi
  for chapter in docs/*.md; do
    page=$(basename "$chapter" .md).html
    case $page in SUMMARY.html) continue ;; README.html) page=index.html ;; esac
    [[ -s $book/book/$page ]] || { echo "$chapter is not in the book" >&2; exit 1; }
  done
  echo "the book builds"
else
  echo "mdbook is not installed: the book was not built" >&2
  [[ -z ${CI:-} ]]
fi
