#!/usr/bin/env bash
# Builds all fuzz targets, replays their corpora, and runs each for a while.
#
#   tests/fuzz/run.sh [SECONDS] [TARGET…]     # 20 seconds each of all targets
#   tests/fuzz/run.sh --replay [TARGET…]      # the committed corpora only
#
# What new inputs a run has found is kept below the build (corpus/TARGET); `cargo fuzz cmin` brings what is worth it
# into tests/fuzz/corpus. An input that fails is written to tests/fuzz/artifacts/TARGET. Exit status: 1 if there is one.
set -euo pipefail
cd "$(dirname "$0")"

CARGO_FUZZ_VERSION=0.13.2
# Longer inputs find little more, and each takes longer.
declare -A BYTES_MAX=([decoder]=1024 [inflater]=512 [negotiation]=300 [proxy_header]=300 [reactor]=256 [records]=512
    [request_head]=1400 [session]=512)
# One input that takes longer than this is a finding, too.
INPUT_SECONDS_MAX=20

seconds=20
if [[ ${1-} == --replay ]]; then
    seconds=0
    shift
elif [[ ${1-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(decoder inflater negotiation proxy_header reactor records request_head session)
fi
for target in "${targets[@]}"; do
    [[ -n ${BYTES_MAX[$target]-} ]] || { echo "no such target: $target (${!BYTES_MAX[*]})" >&2; exit 2; }
done

if [[ $(cargo fuzz --version 2>/dev/null) != "cargo-fuzz $CARGO_FUZZ_VERSION" ]]; then
    cargo install cargo-fuzz --version "$CARGO_FUZZ_VERSION" --locked --quiet
fi
# The flags of the coverage are not stable. There is no sanitizer: the library forbids unsafe code, so that what one
# would find are panics, which end the run anyway; and without it the build is shorter and the runs are faster. Debug
# assertions and overflow checks are on.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir . --sanitizer none

host=$(rustc -vV | sed -n 's/^host: //p')
built=${CARGO_TARGET_DIR:-target}

# Replays and runs one target. Fails if there is a finding.
run() {
    local target=$1
    local found=$built/corpus/$target log=$built/$target.log
    local before findings status=0
    mkdir -p "$found" "artifacts/$target" "corpus/$target"
    before=$(find "artifacts/$target" -type f | wc -l)
    local common=(-print_final_stats=1 -timeout="$INPUT_SECONDS_MAX" -artifact_prefix="artifacts/$target/")
    # The committed corpus first and by itself: a machine that is slow today must not leave any of it out.
    "$built/$host/release/$target" "${common[@]}" -runs=0 "corpus/$target" >"$log" 2>&1 || status=$?
    if ((status == 0 && seconds > 0)); then
        "$built/$host/release/$target" "${common[@]}" -max_total_time="$seconds" \
            -max_len="${BYTES_MAX[$target]}" "$found" "corpus/$target" >"$log" 2>&1 || status=$?
    fi
    statistic() { sed -n "s/^stat::$1: *//p" "$log" | tail -n 1; }
    findings=$(($(find "artifacts/$target" -type f | wc -l) - before))
    printf '%-14s %12s %10s %9s\n' "$target" "$(statistic number_of_executed_units)" \
        "$(statistic average_exec_per_sec)" "$findings"
    if ((status != 0)); then
        grep -A 4 -e panicked -e 'ERROR: libFuzzer' -e 'Test unit written' "$log" | head -n 40 || cat "$log"
        return 1
    fi
}

# As many at a time as there are processors.
printf '%-14s %12s %10s %9s\n' target executions per-second findings
runs=()
for target in "${targets[@]}"; do
    while (($(jobs -rp | wc -l) >= $(nproc))); do
        wait -n || true
    done
    run "$target" &
    runs+=($!)
done
failed=0
for one in "${runs[@]}"; do
    wait "$one" || failed=1
done
exit "$failed"
