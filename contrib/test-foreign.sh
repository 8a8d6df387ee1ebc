#!/usr/bin/env bash
# What other programs make of an archive: installs the sqlite3 shell, Chromium, promtool, OpenSSL, age, Datasette, DuckDB,
# standardwebhooks, aiosmtpd, axe-core and the official MCP clients (Debian and Ubuntu; these into target/py, target/axe and
# target/inspector), then runs the tests that drive them.
#
#   contrib/test-foreign.sh [--no-install] [CARGO-TEST-ARGUMENT...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. contrib/lib/install.sh

DATASETTE_VERSION=0.65.5
DUCKDB_VERSION=2.0.0
STANDARDWEBHOOKS_VERSION=1.1.0
AIOSMTPD_VERSION=1.4.6
AXE_VERSION=4.14.1
MCP_VERSION=2.3.0
JSONSCHEMA_VERSION=4.26.0
INSPECTOR_VERSION=2.12.0

install=yes
if [[ ${1-} == --no-install ]]; then
  install=no
  shift
fi
python=${CARGO_TARGET_DIR:-target}/py/bin/python
wanted=(
  "datasette==$DATASETTE_VERSION" "duckdb==$DUCKDB_VERSION" "mcp==$MCP_VERSION" "jsonschema==$JSONSCHEMA_VERSION"
  "standardwebhooks==$STANDARDWEBHOOKS_VERSION" "aiosmtpd==$AIOSMTPD_VERSION"
)
modules="datasette, duckdb, mcp, jsonschema, standardwebhooks, aiosmtpd"

packages_for sqlite3=sqlite3 chromium=chromium python3=python3 promtool=prometheus openssl=openssl npm=npm node=nodejs age=age
if ! "$python" -c "import $modules" 2>/dev/null && [[ $install == yes ]]; then
  python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
  python3 -m venv "${python%/bin/python}"
  "$python" -m pip install --quiet --disable-pip-version-check "${wanted[@]}"
fi
"$python" -c "import $modules" || {
  echo "missing in ${python%/bin/python}: ${wanted[*]}" >&2
  exit 1
}

axe=${CARGO_TARGET_DIR:-target}/axe
if [[ ! -s $axe/package/axe.min.js && $install == yes ]]; then
  mkdir -p "$axe"
  (cd "$axe" && npm pack --silent "axe-core@$AXE_VERSION" && tar -xzf "axe-core-$AXE_VERSION.tgz" package/axe.min.js)
fi
[[ -s $axe/package/axe.min.js ]] || {
  echo "missing in $axe: axe-core@$AXE_VERSION" >&2
  exit 1
}

# Its scripts would fetch what the command does not need.
inspector=${CARGO_TARGET_DIR:-target}/inspector
if [[ ! -d $inspector/node_modules/@modelcontextprotocol/inspector && $install == yes ]]; then
  mkdir -p "$inspector"
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$inspector" \
    "@modelcontextprotocol/inspector@$INSPECTOR_VERSION"
fi
[[ -d $inspector/node_modules/@modelcontextprotocol/inspector ]] || {
  echo "missing in $inspector: @modelcontextprotocol/inspector@$INSPECTOR_VERSION" >&2
  exit 1
}

# Browsers and databases are busy themselves: no more of them at a time than there are cores.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(nproc)} cargo test --locked --features encrypt,mcp,parquet --test foreign "$@"
