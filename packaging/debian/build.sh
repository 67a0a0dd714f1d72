#!/usr/bin/env bash
# Builds the Debian package, target/debian/fanfare_VERSION_ARCHITECTURE.deb, with cargo-deb
# (`cargo install cargo-deb --locked`). Man pages and completions are made by the command itself.
set -euo pipefail
cd "$(dirname "$0")/../.."
cargo build --release --locked
fanfare=${CARGO_TARGET_DIR:-target}/release/fanfare
out=target/packaging
rm -rf "$out"
mkdir -p "$out/man"
"$fanfare" man "$out/man"
for shell in bash zsh fish; do "$fanfare" completions "$shell" >"$out/completions.$shell"; done
cargo deb --no-build --locked --strip "$@"
