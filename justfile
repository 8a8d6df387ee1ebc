# What `just` alone prints.
_default:
    @just --list --unsorted

# Everything that must hold before a change is merged
check:
    bash .ci/run --no-install

# All tests
test *ARGS:
    cargo test --locked {{ ARGS }}

# N seeded histories of the simulation, e.g. `just sim 1000000`
sim N="100000":
    ARCHIVER_SIM_HISTORIES={{ N }} cargo test --locked --release --test it sim -- --nocapture

# The benchmarks
bench *ARGS:
    cargo bench --locked -p archiver-bench {{ ARGS }}

# A guided first run against the built-in fake API: no key, no credits, no network
demo:
    cargo run --locked --release -- demo

# A Debian under qemu: the package and its units against systemd itself; as root
boot *PACKAGE:
    contrib/boot-debian.sh {{ PACKAGE }}

# Format the sources
fmt:
    cargo fmt

# The documentation of the library, private items included
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items

# Known vulnerabilities in the dependencies; fetches the RustSec database
advisories:
    cargo deny check advisories
