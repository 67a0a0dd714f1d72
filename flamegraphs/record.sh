#!/usr/bin/env bash
# Records the flame graphs: what the server does with its processor time under four loads.
#
#   flamegraphs/record.sh                   all of them
#   flamegraphs/record.sh echo connects     these
#
#   echo         100 connections, each sends 32 to 64 B and waits for the reply
#   fanout       one publisher, 1,000 subscribers, one message at a time
#   publishers   16 publishers, 1,000 subscribers, each with one message under way
#   connects     connections that are opened as fast as the server answers, and closed
#
# Each picture goes to flamegraphs/NAME.svg; its shares are printed. It needs Linux, perf, and the right to use it
# (kernel.perf_event_paranoid at most 1, to see the kernel's part); not root.
#
#   FLAME_SECONDS=10     how long to record each; with fewer than 1,000 samples take longer
#   FLAME_PORT=18080     where the server listens, on 127.0.0.1
#
# The stacks are unwound by DWARF, not by frame pointers: in a process with more than one thread libc's send and recv
# use that register for something else, and every stack below them would be lost.

set -euo pipefail
cd "$(dirname "$0")/.."

INFERNO_VERSION=0.12.4
ADDR2LINE_VERSION=0.27.1   # not that of binutils, which gives the innermost of several inlined functions a wrong name
SAMPLES_PER_SECOND=997     # prime, so as not to run in step with anything periodic
STACK_BYTES=16384          # of each sample; the frame of `serve` alone takes more than 8 KiB
SCENES=(echo fanout publishers connects)

seconds=${FLAME_SECONDS:-10}
port=${FLAME_PORT:-18080}
target=${CARGO_TARGET_DIR:-target}
built=$target/release
tools=$target/flame-tools

fail() {
    echo "record.sh: $*" >&2
    exit 1
}

# Only what was started here is ended, by its number.
server='' load=''
scratch=$(mktemp -d)
end() {
    local one
    for one in $load $server; do
        kill "$one" 2>/dev/null || true
        wait "$one" 2>/dev/null || true
    done
    server='' load=''
}
trap 'end; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

check_tools() {
    local paranoid
    [[ $(uname -s) == Linux ]] || fail 'perf is of Linux only'
    command -v perf >/dev/null || fail 'there is no perf (Debian: linux-perf; Fedora: perf)'
    paranoid=$(cat /proc/sys/kernel/perf_event_paranoid)
    perf record -q -e cpu-clock -o "$scratch/try" -- true >"$scratch/said" 2>&1 ||
        fail "perf may not record here (kernel.perf_event_paranoid is $paranoid; at most 1 is needed):
$(cat "$scratch/said")"
    if ((EUID != 0 && paranoid > 1)); then
        fail "the kernel's part cannot be seen (kernel.perf_event_paranoid is $paranoid; at most 1 is needed)"
    fi
    if ((EUID != 0)) && [[ $(cat /proc/sys/kernel/kptr_restrict) != 0 ]]; then
        echo 'record.sh: the kernel hides its symbols (kernel.kptr_restrict): its functions will have no names' >&2
    fi
    command -v readelf >/dev/null || fail 'there is no readelf (Debian, Fedora: binutils)'
    if [[ ! -x $tools/bin/inferno-flamegraph ]]; then
        cargo install inferno --version "$INFERNO_VERSION" --locked --quiet --root "$tools"
    fi
    if [[ ! -x $tools/bin/addr2line ]]; then
        cargo install addr2line --version "$ADDR2LINE_VERSION" --features bin --locked --quiet --root "$tools"
    fi
}

# The server and the load on a core each, if there are two that may be used.
on_core() {
    local core=$1
    shift
    if taskset -c 0 true 2>/dev/null && taskset -c 1 true 2>/dev/null; then
        exec taskset -c "$core" "$@"
    else
        exec "$@"
    fi
}

start_server() {
    (on_core 0 "$built/fanfare" --listen "127.0.0.1:$port" --reactors 1 "$@") >"$scratch/server" 2>&1 &
    server=$!
    for _ in {1..100}; do
        kill -0 "$server" 2>/dev/null || fail "the server did not start:"$'\n'"$(cat "$scratch/server")"
        "$built/fanfare" healthcheck --url "http://127.0.0.1:$port" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "the server does not answer:"$'\n'"$(cat "$scratch/server")"
}

# What perf has recorded, as one line for each stack: frames from the outermost in, and how many samples.
#
# The server's own functions are named after the file they stand in (hub::sweep::next_due), also where the compiler has
# inlined them; what it has inlined of libraries counts as theirs. perf itself names only whole functions reliably, and
# most of the sweep is inlined. An address on the stack is where a call returns to, so that the call is before it.
fold() {
    local here=$PWD/src/ ip leaf shift
    # perf tells where in the file, addr2line asks for where in memory.
    shift=$(readelf -lW "$built/fanfare" | awk '$1 == "LOAD" && / R E / { print $3, $2 }')
    shift=$((${shift% *} - ${shift#* }))
    perf script --no-inline -F comm,pid,tid,time,event,ip,sym,dso -i "$scratch/perf" 2>/dev/null >"$scratch/stacks"
    awk '!/^\t/ { leaf = 1; next } /\/fanfare\)$/ { print $1, leaf } { leaf = 0 }' "$scratch/stacks" | sort -u |
        while read -r ip leaf; do
            printf '%s %d 0x%x\n' "$ip" "$leaf" $((0x$ip + shift - 1 + leaf))
        done >"$scratch/places"
    cut -d' ' -f3 "$scratch/places" | "$tools/bin/addr2line" -a -C -f -i -e "$built/fanfare" |
        awk -v here="$here" '
            /^0x/ { if (NR > 1) print chain; chain = ""; next }
            { name = $0; getline file }
            index(file, here) == 1 && name !~ /^\{/ {
                while (gsub(/<[^<>]*>/, "", name)) {}
                sub(/.*::/, "", name)
                file = substr(file, length(here) + 1)
                sub(/\.rs:.*/, "", file); sub(/\/mod$/, "", file); gsub(/\//, "::", file)
                chain = file "::" name (chain == "" ? "" : ";" chain)
            }
            END { print chain }
        ' | paste -d' ' "$scratch/places" - >"$scratch/names"
    awk '
        NR == FNR { if (NF > 3) names[$1, $2] = $4; next }
        !/^\t/ { if (stack != "") print "fanfare;" stack, 1; stack = ""; leaf = 1; next }
        {
            ip = $1; dso = $NF; frame = $0
            sub(/^[ \t]*[0-9a-f]+ /, "", frame); sub(/ \([^ ]*\)$/, "", frame); gsub(/[; ]/, "_", frame)
            if (dso ~ /^\(\[/ && frame !~ /unknown/) frame = frame "_[k]"
            if ((ip, leaf) in names) frame = names[ip, leaf]
            leaf = 0
            if (stack == "") stack = frame
            else if (frame !~ /unknown/) stack = frame ";" stack
        }
        END { if (stack != "") print "fanfare;" stack, 1 }
    ' "$scratch/names" "$scratch/stacks" | sort | uniq -c | awk '{ print $2, $1 }'
}

# Of all samples: those in the kernel by system call, those of the server by its module, with what that has called.
shares() {
    awk '
        {
            samples = $NF; stack = $0; sub(/ [0-9]+$/, "", stack); frames = split(stack, frame, ";")
            kind = ""
            if (stack ~ /_\[k\]/) {
                kind = "kernel, not called"
                for (i = 1; i <= frames; i++)
                    if (frame[i] ~ /^__(x64|arm64)_sys_/) {
                        kind = frame[i]; sub(/^__(x64|arm64)_sys_/, "kernel: ", kind); sub(/_\[k\]$/, "", kind)
                    }
            } else {
                kind = "user: other"
                for (i = 1; i <= frames; i++)
                    if (match(frame[i], /^(main|instant|protocol|net|transport|hub|reactor|server|cli)::/)) {
                        kind = frame[i]; sub(/::[^:]*$/, "", kind); kind = "user: " kind
                    }
            }
            count[kind] += samples; all += samples
        }
        END { for (kind in count) printf "  %5.1f %%  %s\n", 100 * count[kind] / all, kind }
    ' "$1" | sort -k3,3 -k1,1rn
}

# record NAME TITLE SETTLE FLAGS-OF-THE-SERVER -- LOADGEN'S ARGUMENTS
record() {
    local name=$1 title=$2 settle=$3
    local flags=() samples
    shift 3
    while [[ $1 != -- ]]; do
        flags+=("$1")
        shift
    done
    shift
    start_server "${flags[@]}"
    (on_core 1 "$built/loadgen" "$@" -d "$((settle + seconds + 60))s" --no-progress) >"$scratch/load" 2>&1 &
    load=$!
    sleep "$settle"
    perf record -q -e cpu-clock -F "$SAMPLES_PER_SECOND" --call-graph "dwarf,$STACK_BYTES" -p "$server" \
        -o "$scratch/perf" -- sleep "$seconds"
    kill -0 "$load" 2>/dev/null || fail "the load ended too early:"$'\n'"$(cat "$scratch/load")"
    end
    fold >"$scratch/folded"
    samples=$(awk '{ sum += $NF } END { print sum + 0 }' "$scratch/folded")
    ((samples > 0)) || fail "$name: not one sample"
    "$tools/bin/inferno-flamegraph" --quiet --colors rust --deterministic --width 1400 --minwidth 0.08 \
        --title "fanfare: $title" \
        --subtitle "loadgen ${*//:$port/:8080} · $samples samples of the server's processor time" \
        "$scratch/folded" >"$scratch/svg"
    mv "$scratch/svg" "flamegraphs/$name.svg"
    echo "$name: $samples samples"
    shares "$scratch/folded"
}

scenes=("$@")
((${#scenes[@]} > 0)) || scenes=("${SCENES[@]}")
for scene in "${scenes[@]}"; do
    [[ " ${SCENES[*]} " == *" $scene "* ]] || fail "no such scene: $scene (${SCENES[*]})"
done
check_tools
git diff --quiet HEAD -- src loadgen Cargo.toml Cargo.lock 2>/dev/null ||
    echo 'record.sh: this is not the committed code' >&2
cargo build --release --workspace --quiet

url=ws://127.0.0.1:$port
for scene in "${scenes[@]}"; do
    case $scene in
        echo)
            record echo 'echo, 100 connections, one message each under way' 3 --echo -- \
                echo "$url/-/echo" -c 100 -s 32..64
            ;;
        fanout)
            record fanout 'one publisher to 1,000 subscribers, one message at a time' 6 -- \
                broadcast "$url/news" --saturate --subscribers 1000
            ;;
        publishers)
            record publishers '16 publishers to 1,000 subscribers, one message each under way' 6 -- \
                broadcast "$url/news" --saturate --subscribers 1000 --publishers 16
            ;;
        connects)
            # From many addresses: one has too few ports for so many connections a minute.
            record connects 'connections opened and closed, as fast as they are answered' 2 -- \
                connect "$url/news" -b 127.0.0.0/8
            ;;
    esac
done
