#!/usr/bin/env bash
# What packaging/ holds besides the proxies, with the release binary: systemd's own judgement of the unit, the man pages,
# the completions, the files for containers, and Prometheus with the alert rules and the dashboard before a real server.
# Prints a line for each check, then "N passed, N failed"; exits 1 if one failed. What needs a program that is not
# installed is left out, which a line says.
#
#   run.sh               what can be checked here
#   run.sh --required    a program that is not installed is a failure
#
# FANFARE: the binary (default: the release build). PROMETHEUS: the folder of prometheus and promtool (default: on the
# path). PYTHON: a Python with PyYAML (default: python3). Logs stay in target/packaging-test.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
fanfare=$(realpath "${FANFARE:-${CARGO_TARGET_DIR:-$root/target}/release/fanfare}")
packaging=$root/packaging
out=$root/target/packaging-test
PATH=$PATH${PROMETHEUS:+:$PROMETHEUS}
required=${1:-}
python=${PYTHON:-python3}
. "$root/tests/support/checks.sh"

# has PROGRAM: whether it is there.
has() {
  command -v "$1" >/dev/null && return
  if [ -n "$required" ]; then
    echo "FAIL  $1 is not installed" | report
  else
    echo "left out: $1 is not installed"
  fi
  return 1
}

unit() {
  # The same unit, but for where the program is.
  sed "s|/usr/bin/fanfare|$fanfare|" "$packaging/systemd/fanfare.service" >"$out/fanfare.service"
  check 'systemd-analyze verify finds nothing in the unit' quiet systemd-analyze verify --man=no "$out/fanfare.service"
  cp "$packaging/systemd/socket-activation/fanfare.socket" "$out/"
  check 'systemd-analyze verify finds nothing in the socket' quiet systemd-analyze verify --man=no "$out/fanfare.socket" "$out/fanfare.service"
  check 'systemd-analyze security: at most 2.0 of 10' systemd-analyze security --offline=true --threshold=20 "$out/fanfare.service"
  check 'the file of the package is a valid configuration' "$fanfare" check --config "$packaging/debian/fanfare.toml"
  sed -n 's/^#\([a-z-]* = \)/\1/p' "$packaging/debian/fanfare.toml" | grep -v key-file >"$out/fanfare.toml"
  check 'and so are the lines that it leaves to be uncommented' "$fanfare" check --config "$out/fanfare.toml"
}

# quiet COMMAND…: it succeeds and says nothing.
quiet() {
  local said
  said=$("$@" 2>&1) && [ -z "$said" ] || { echo "$said"; return 1; }
}

man_pages() {
  mkdir -p "$out/man"
  "$fanfare" man "$out/man"
  local page
  for page in "$out"/man/*.1; do
    check "man shows $(basename "$page") without a warning" man_is_clean "$page"
  done
}

man_is_clean() {
  local said
  said=$(MANWIDTH=80 man --warnings -l "$1" 2>&1 >"$out/page") && [ -z "$said" ] && grep -q OPTIONS "$out/page" || { echo "$said"; return 1; }
}

completions() {
  "$fanfare" completions bash >"$out/completions.bash"
  check 'bash completes the verbs and their flags' bash "$root/tests/packaging/complete.bash" "$out/completions.bash"
}

containers() {
  check 'the files for containers are YAML, and say what the server needs' "$python" "$root/tests/packaging/containers.py"
}

monitoring() {
  check 'promtool: the alert rules' promtool check rules "$packaging/prometheus/alerts.yaml"
  check "promtool: the alert rules' tests" promtool test rules "$packaging/prometheus/alerts.test.yaml"
  # TLS too, whose metrics the alerts use.
  "$fanfare" --listen 127.0.0.1:0 --listen tls:127.0.0.1:0 --tls-self-signed >"$out/server.log" 2>&1 &
  started+=($!)
  local server= prometheus
  until server=$(grep -oE 'http://127\.0\.0\.1:[0-9]+' "$out/server.log" | head -n 1 | cut -d/ -f3) && [ -n "$server" ]; do sleep 0.1; done
  # Somebody subscribes, receives and leaves, all the time.
  ( while "$fanfare" sub "ws://$server/news" --count 2 >/dev/null 2>&1; do :; done ) &
  started+=($!)
  ( while curl -fsS -o /dev/null -d hello "http://$server/news" && sleep 0.05; do :; done ) >/dev/null 2>&1 &
  started+=($!)
  check 'promtool: the metrics of a live server' metrics "$server"
  prometheus=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  cat >"$out/prometheus.yaml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [$packaging/prometheus/alerts.yaml]
scrape_configs:
  - job_name: fanfare
    metrics_path: /-/metrics
    static_configs: [{ targets: ["$server"] }]
END
  prometheus --config.file="$out/prometheus.yaml" --storage.tsdb.path="$out/tsdb" --web.listen-address="$prometheus" >"$out/prometheus.log" 2>&1 &
  started+=($!)
  for _ in $(seq 100); do
    curl -fsS -o /dev/null "http://$prometheus/-/ready" 2>/dev/null && break
    sleep 0.1
  done
  program monitoring.py python3 "$root/tests/packaging/monitoring.py" "$server" "$prometheus"
}

metrics() { curl -fsS -H 'Accept: text/plain;version=0.0.4' "http://$1/-/metrics" | promtool check metrics; }

rm -rf "$out"
begin_checks
if has systemd-analyze; then unit; fi
if has man; then man_pages; fi
completions
if has python3; then containers; fi
if has promtool && has prometheus && has curl; then monitoring; fi
end_checks
