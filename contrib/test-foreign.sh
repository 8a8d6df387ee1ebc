#!/usr/bin/env bash
# What other programs make of an archive: installs the sqlite3 shell, Chromium, promtool, OpenSSL, age, Datasette, DuckDB,
# standardwebhooks, aiosmtpd, axe-core, the official MCP clients, and readers of Delta Lake with a stand-in for S3 (Debian and
# Ubuntu; these into target/py, target/py-lake, target/axe and target/inspector), then runs the tests that drive them.
#
#   contrib/test-foreign.sh [--no-install | --install-only] [CARGO-TEST-ARGUMENT...]
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
DELTALAKE_VERSION=1.6.6
POLARS_VERSION=2.1.0
PANDAS_VERSION=3.1.1
PYARROW_VERSION=26.0.1
# The newest DuckDB of which PyPI has the extensions.
DUCKDB_EXTENSIONS_VERSION=1.5.5
SAIL_VERSION=0.7.2
SPARK_CLIENT_VERSION=4.2.0
MOTO_VERSION=5.2.5

install=yes
run=yes
case "${1-}" in
  --no-install) install=no; shift ;;
  --install-only) run=no; shift ;;
esac
target=${CARGO_TARGET_DIR:-target}
wanted=(
  "datasette==$DATASETTE_VERSION" "duckdb==$DUCKDB_VERSION" "mcp==$MCP_VERSION" "jsonschema==$JSONSCHEMA_VERSION"
  "standardwebhooks==$STANDARDWEBHOOKS_VERSION" "aiosmtpd==$AIOSMTPD_VERSION"
)
modules="datasette, duckdb, mcp, jsonschema, standardwebhooks, aiosmtpd"

lake_wanted=(
  "deltalake==$DELTALAKE_VERSION" "polars==$POLARS_VERSION" "pandas==$PANDAS_VERSION" "pyarrow==$PYARROW_VERSION"
  "duckdb==$DUCKDB_EXTENSIONS_VERSION" "duckdb-extension-delta==$DUCKDB_EXTENSIONS_VERSION"
  "duckdb-extension-httpfs==$DUCKDB_EXTENSIONS_VERSION"
  "pysail==$SAIL_VERSION" "pyspark-client==$SPARK_CLIENT_VERSION" "moto[server]==$MOTO_VERSION"
)
lake_modules="deltalake, polars, pandas, pyarrow, duckdb_extension_delta, duckdb_extension_httpfs, pysail, pyspark, moto.server"

packages_for sqlite3=sqlite3 chromium=chromium python3=python3 promtool=prometheus openssl=openssl npm=npm node=nodejs age=age

# A folder with these packages of PyPI, if one of the modules is missing.
environment() { # FOLDER MODULES PACKAGE...
  local python=$1/bin/python modules=$2
  if ! "$python" -c "import $modules" 2>/dev/null && [[ $install == yes ]]; then
    python3 -c 'import venv, ensurepip' 2>/dev/null || install_packages python3 python3-venv
    python3 -m venv "$1"
    "$python" -m pip install --quiet --disable-pip-version-check "${@:3}"
  fi
  "$python" -c "import $modules" || {
    echo "missing in $1: ${*:3}" >&2
    exit 1
  }
}
environment "$target/py" "$modules" "${wanted[@]}"
# DuckDB's extensions are for one version of it, which is not the newest.
environment "$target/py-lake" "$lake_modules" "${lake_wanted[@]}"

axe=$target/axe
if [[ ! -s $axe/package/axe.min.js && $install == yes ]]; then
  mkdir -p "$axe"
  (cd "$axe" && npm pack --silent "axe-core@$AXE_VERSION" && tar -xzf "axe-core-$AXE_VERSION.tgz" package/axe.min.js)
fi
[[ -s $axe/package/axe.min.js ]] || {
  echo "missing in $axe: axe-core@$AXE_VERSION" >&2
  exit 1
}

# Its scripts would fetch what the command does not need.
inspector=$target/inspector
if [[ ! -d $inspector/node_modules/@modelcontextprotocol/inspector && $install == yes ]]; then
  mkdir -p "$inspector"
  npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$inspector" \
    "@modelcontextprotocol/inspector@$INSPECTOR_VERSION"
fi
[[ -d $inspector/node_modules/@modelcontextprotocol/inspector ]] || {
  echo "missing in $inspector: @modelcontextprotocol/inspector@$INSPECTOR_VERSION" >&2
  exit 1
}

[[ $run == yes ]] || exit 0

# Browsers and databases are busy themselves: no more of them at a time than there are cores.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(nproc)} cargo test --locked --features encrypt,lake,mcp,parquet --test foreign "$@"
