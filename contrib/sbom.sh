#!/usr/bin/env bash
# Prints the software bill of materials (CycloneDX 1.5, JSON) of what the package for this machine consists of, as
# Cargo.lock has it: no tests, no benchmarks. Needs cargo, jq and no network once cargo has the crates.
#
#   contrib/sbom.sh > archiver.cdx.json
#   contrib/sbom.sh --check < archiver.cdx.json    is it one, and is it whole?
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ ${1-} == --check ]]; then
  exec jq -e '
    if .bomFormat == "CycloneDX" and (.components | length) > 100
      and all(.components[]; (.purl | startswith("pkg:cargo/")) and .version != "" and (.licenses | length) == 1
        and ((.hashes[0].content | length) == 64 or .name == "fake-linkup")) # which is of this repository
      and (.components | any(.name == "libsqlite3-sys")) and (.components | all(.name != "proptest"))
    then "\(.components | length) components" else error("not a whole bill of materials") end'
fi

target=$(rustc -vV | sed -n 's/^host: //p')
# name, version and the checksum that cargo verifies
sums=$(awk '/^name = /{n=$3} /^version = /{v=$3} /^checksum = /{print n, v, $3}' Cargo.lock | tr -d '"' |
  jq -R -s 'split("\n") | map(select(. != "") | split(" ") | {key: "\(.[0]) \(.[1])", value: .[2]}) | from_entries')
cargo metadata --locked --features encrypt,lake,mcp,parquet --format-version 1 --filter-platform "$target" | jq --argjson sums "$sums" '
  (.packages | map({key: .id, value: .}) | from_entries) as $all
  | (.resolve.nodes | map({key: .id, value: [.deps[] | select(any(.dep_kinds[]; .kind != "dev")) | .pkg]}) | from_entries) as $deps
  | .resolve.root as $root
  # Everything that is reached from the program without going through what only tests need.
  | def reached($seen; $new): if ($new | length) == 0 then $seen else
      (($seen + $new) | unique) as $known | reached($known; ([$new[] | $deps[.][]] | unique) - $known) end;
  (reached([]; [$root]) - [$root]) as $used
  | def purl: "pkg:cargo/\(.name)@\(.version)";
  {
    bomFormat: "CycloneDX", specVersion: "1.5", version: 1,
    metadata: {component: ($all[$root] | {type: "application", name, version, purl: purl, "bom-ref": purl,
      licenses: [{expression: .license}]})},
    components: [$used[] | $all[.] | {type: "library", name, version, purl: purl, "bom-ref": purl,
      licenses: [{expression: ((.license // "NOASSERTION") | gsub("/"; " OR "))}],
      hashes: [$sums["\(.name) \(.version)"] // empty | {alg: "SHA-256", content: .}]}] | sort_by(.purl),
    dependencies: [([$root] + $used)[] | . as $id | {ref: ($all[$id] | purl), dependsOn: [$deps[$id][] | $all[.] | purl] | unique}] | sort_by(.ref)
  }'
