# What scripts share that print a line for each check, then "N passed, N failed". To be sourced. The caller sets $out, the
# folder of the logs, and calls begin_checks before the first check and end_checks after the last.

# The processes that were started; they are ended with the script.
started=()
end_started() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
}
trap end_started EXIT

begin_checks() {
  mkdir -p "$out"
  : >"$out/checks"
}

report() { tee -a "$out/checks"; }

# check NAME COMMAND…: one line.
check() {
  local name=$1
  shift
  if "$@" >"$out/output" 2>&1; then
    echo "ok    $name" | report
  else
    echo "FAIL  $name: $(tail -n 5 "$out/output" | tr '\n' ' ')" | report
  fi
}

# program NAME COMMAND…: passes the lines of its checks on; one that ends early is a failure of its own.
program() {
  local name=$1 code=0
  shift
  "$@" 2>"$out/errors" | tee "$out/output" | report || code=$?
  if ! grep -qE '^(ok|FAIL) ' "$out/output" || { [ "$code" != 0 ] && ! grep -q '^FAIL ' "$out/output"; }; then
    echo "FAIL  $name: it ended with $code: $(tail -n 5 "$out/errors" | tr '\n' ' ')" | report
  fi
}

# Fails if a check has failed, or if there was none.
end_checks() {
  local passed failed
  passed=$(grep -c '^ok ' "$out/checks" || true)
  failed=$(grep -c '^FAIL ' "$out/checks" || true)
  echo "$passed passed, $failed failed"
  [ "$passed" -gt 0 ] && [ "$failed" = 0 ]
}
