# The program in Debian without a shell. Configuration, secrets and the archive come from outside; see docs/packages.md.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --features encrypt,lake,mcp,parquet

# CA certificates, time zones and glibc; a user without rights, 65532.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/archiver /usr/bin/archiver
# /data holds archiver.toml, the secrets and the archive.
WORKDIR /data
VOLUME /data
ENTRYPOINT ["/usr/bin/archiver"]
CMD ["sync"]
