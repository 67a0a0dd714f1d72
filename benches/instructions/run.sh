#!/usr/bin/env bash
# Counts the instructions of the release server for each unit of work and compares them with baseline.json.
#
#   benches/instructions/run.sh            fails if a figure is more than 2 % from the baseline
#   benches/instructions/run.sh --write    makes the figures the baseline, for a change that is meant
#
#   FANFARE=path/to/fanfare                counts this server instead of building one
#
# It needs Linux and valgrind (Debian, Fedora: valgrind).
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v valgrind >/dev/null || { echo 'run.sh: there is no valgrind' >&2; exit 1; }

server=${FANFARE:-}
if [[ -z $server ]]; then
    cargo build --release --locked --quiet --bin fanfare
    server=${CARGO_TARGET_DIR:-$PWD/target}/release/fanfare
fi
# The client is built as the simulator is, whose dependencies are there already.
cargo bench --profile sim --locked --quiet --bench instructions -- "$(realpath "$server")" "$@"
