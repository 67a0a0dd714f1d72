#!/usr/bin/env bash
# Does the simulator find bugs? Each patch in this folder plants one bug. The script applies it to a
# copy of the tree, and runs the simulator until it finds the bug.
#
#   tests/mutants/run.sh                    tries all of them
#   tests/mutants/run.sh lost-edge …        tries these
#
# A patch is named after what is wrong, and begins with a sentence that says what a user would see.
# The simulator runs all reactors on one thread, so there are bugs that it cannot find. The first
# line of such a patch says which tests must find it:
#
#   # loom      the orders in which two threads can meet (`cargo test --test loom`)
#   # unit      the other tests of the library
#   # latency   how long turns take, and bystanders wait, in simulated time
#
# The script prints one line for each patch: the first seed that finds the bug, how many seeds that
# took, and what was found. A bug is also caught if a batch of seeds does not end within the time
# limit, which is ten times what a batch needs. It is an error if a patch does not apply, if the tree
# does not build with it, or if nothing finds the bug.
#
#   FANFARE_SEEDS=0..5000     which seeds may be tried
#   MUTANT_SECONDS_MAX=300    the time limit

set -uo pipefail
cd "$(dirname "$0")/../.." || exit

seeds=${FANFARE_SEEDS:-0..5000}
seeds_at_a_time=250
seconds_max=${MUTANT_SECONDS_MAX:-300}
patches=$PWD/tests/mutants
# All mutants, and the next run, share one target directory: then each costs the build of one crate.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mutants
tree=$target/tree
output=$target/output
export CARGO_TARGET_DIR=$target

rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z | xargs -0 cp -p --parents -t "$tree"
cd "$tree" || exit

names=("$@")
if [ $# -eq 0 ]; then
    for patch in "$patches"/*.patch; do
        names+=("$(basename "$patch" .patch)")
    done
fi

# Builds the tests of one target, and prints the path of their program.
build() {
    cargo test --profile sim --no-run "$@" 2>&1 | tee "$output" | sed -n 's/^ *Executable .* (\(.*\))$/\1/p'
}

# Prints where the first panic was, and the first line of its message.
complaint() {
    grep -m1 -A1 'panicked at' "$output" | sed 's/.*panicked at //' | paste -sd' '
}

# Runs the simulator until it finds something, and prints what that is.
simulate() {
    local from=${seeds%%..*} end=${seeds##*..}
    local start=$from to status seed
    while [ "$from" -lt "$end" ]; do
        to=$((from + seeds_at_a_time < end ? from + seeds_at_a_time : end))
        status=0
        FANFARE_SEEDS=$from..$to timeout "$seconds_max" \
            "$1" --nocapture --exact reactor::tests::swarm::simulation >"$output" 2>&1 || status=$?
        seed=$(sed -n 's/.*repeat: FANFARE_SEEDS=\([0-9]*\).*/\1/p' "$output" | sort -n | head -1)
        if [ -n "$seed" ]; then
            echo "seed $seed, after $((seed - start + 1)): $(complaint)"
            return
        elif [ "$status" -eq 124 ]; then
            echo "a seed of $from..$to does not end"
            return
        elif [ "$status" -ne 0 ]; then
            echo "a seed of $from..$to: $(complaint)"
            return
        fi
        from=$to
    done
    echo 'NOT CAUGHT'
    return 1
}

# Runs other tests, and prints what they have found.
test_with() {
    local status=0
    timeout "$seconds_max" "$@" >"$output" 2>&1 || status=$?
    if [ "$status" -eq 0 ]; then
        echo 'NOT CAUGHT'
        return 1
    elif [ "$status" -eq 124 ]; then
        echo 'does not end'
    else
        complaint
    fi
}

hunt() {
    local kind=$1 program
    case $kind in
        '# loom') program=$(build --test loom) ;;
        *) program=$(build --lib) ;;
    esac
    if [ ! -x "$program" ]; then
        echo 'DOES NOT BUILD'
        return 1
    fi
    case $kind in
        '# loom') echo "loom: $(test_with "$program")" ;;
        '# unit') echo "unit: $(test_with "$program" --include-ignored --skip million \
            --skip reactor::tests::swarm --skip reactor::tests::latency)" ;;
        # The seeds are those of the simulator's other runs: of these scenes a few are enough.
        '# latency') echo "latency: $(test_with env -u FANFARE_SEEDS \
            "$program" reactor::tests::latency --include-ignored)" ;;
        *) simulate "$program" ;;
    esac
}

errors=0
for name in "${names[@]}"; do
    patch=$patches/$name.patch
    found='DOES NOT APPLY'
    if patch -p1 --silent --fuzz=0 --dry-run <"$patch" >/dev/null; then
        patch -p1 --silent --fuzz=0 <"$patch"
        found=$(hunt "$(head -1 "$patch")") || true
        patch -p1 --silent --fuzz=0 --reverse <"$patch"
    fi
    printf '%-44s %s\n' "$name" "$found"
    case $found in
        'DOES NOT'* | *'NOT CAUGHT') errors=$((errors + 1)) ;;
    esac
done
exit $((errors > 0))
