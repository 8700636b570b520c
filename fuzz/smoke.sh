#!/bin/sh
# Runs every fuzz target for some seconds (default 10), seeded with the golden packets. Needs
# `cargo install cargo-fuzz` and a nightly toolchain. For a long run of one target:
# `cargo +nightly fuzz run decode_response`.
set -eu
seconds=${1:-10}
cd "$(dirname "$0")"
cargo +nightly run --quiet --bin seeds
for target in split_packet decode_response round_trip; do
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=65600 -verbosity=0
done
