#!/usr/bin/env bash
# Clients that nobody here wrote, against the release binary: the Python packages websockets and aiohttp, the Node
# package ws, Node's own WebSocket, curl, and Chromium with the console page; and loadgen against servers that nobody
# here wrote, on websockets and on ws. Prints a line for each check, then "N passed, N failed"; exits 1 if one failed.
# Installs what it needs: packages under target/, Chromium by apt-get.
#
#   run.sh              all
#   run.sh programs     the clients but Chromium
#   run.sh browser      Chromium alone
#   run.sh loadgen      loadgen against other servers and fanfare
#   run.sh tls          the programs, Java if it is there, and Chromium over TLS
#
# FANFARE, LOADGEN: the binaries (default: the release builds). The logs of the servers stay in target/clients.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target
export FANFARE=${FANFARE:-${CARGO_TARGET_DIR:-$target}/release/fanfare}
export LOADGEN=${LOADGEN:-${CARGO_TARGET_DIR:-$target}/release/loadgen}
export CLIENTS_NPM=$target/clients/npm CLIENTS_OUT=$target/clients
export PYTHONDONTWRITEBYTECODE=1 NODE_NO_WARNINGS=1
node=(node --experimental-websocket)
part=${1:-all}
out=$CLIENTS_OUT
. "$here/python_packages.sh"
. "$here/../support/checks.sh"

npm_packages=(ws@8.23.0 playwright-core@1.65.1)

# Installs once for each list of packages.
install_npm() {
  local stamp=$CLIENTS_NPM/.ready-${npm_packages[*]}
  [ -f "${stamp// /_}" ] && return
  rm -rf "$CLIENTS_NPM"
  mkdir -p "$CLIENTS_NPM"
  npm install --prefix "$CLIENTS_NPM" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error \
    "${npm_packages[@]}"
  touch "${stamp// /_}"
}

install_chromium() {
  [ -x /usr/bin/chromium ] || apt_install chromium fonts-dejavu-core
}

# fanfare on a free port; sets $port.
start_server() { start "$FANFARE" --listen 127.0.0.1:0 "$@"; }

# A server that says where it listens; sets $port.
start() {
  local log=$out/server-${#started[@]}.log
  "$@" >"$log" 2>&1 &
  started+=($!)
  for _ in $(seq 100); do
    port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$log" | head -n 1 | cut -d: -f2) && [ -n "$port" ] && return
    sleep 0.1
  done
  cat "$log"
  return 1
}

# Five kinds of subscriber and four publishers at once on one channel: what each received, as a line for a message.
one_channel() {
  local http=http://127.0.0.1:$port/shared ws=ws://127.0.0.1:$port/shared shared=$out/shared subscribers=() publishers=() pid
  rm -rf "$shared"
  mkdir -p "$shared"
  "$python" "$here/python_websockets.py" follow "$ws" >"$shared/websockets.got" & subscribers+=($!)
  "$python" "$here/aiohttp_client.py" follow "$http" >"$shared/aiohttp.got" & subscribers+=($!)
  "${node[@]}" "$here/node_ws.mjs" follow "$ws" >"$shared/ws.got" & subscribers+=($!)
  "${node[@]}" "$here/node_ws.mjs" follow-native "$ws" >"$shared/native.got" & subscribers+=($!)
  started+=("${subscribers[@]}")
  until curl -fsS "$http" | grep -q '"subscribers":4\b'; do
    for pid in "${subscribers[@]}"; do kill -0 "$pid" || return; done
    sleep 0.1
  done
  "$python" "$here/python_websockets.py" publish "$ws" from-websockets 300 >"$shared/websockets.sent" & publishers+=($!)
  "$python" "$here/aiohttp_client.py" publish "$http" from-aiohttp 100 >"$shared/aiohttp.sent" & publishers+=($!)
  "${node[@]}" "$here/node_ws.mjs" publish "$ws" from-ws 300 >"$shared/ws.sent" & publishers+=($!)
  curl_publish "$http" 30 >"$shared/curl.sent" & publishers+=($!)
  started+=("${publishers[@]}")
  for pid in "${publishers[@]}"; do wait "$pid" || return; done
  curl -fsS -d end "$http" || return
  for pid in "${subscribers[@]}"; do wait "$pid" || return; done
}

curl_publish() {
  local number text
  for number in $(seq "$2"); do
    text="from curl $number"
    curl -fsS -o /dev/null -d "$text" "$1" || return
    echo "text ${#text} $(printf %s "$text" | sha256sum | cut -d' ' -f1)"
  done
}

all_received_all() {
  local shared=$out/shared got
  sort "$shared"/*.sent >"$shared/sent"
  [ "$(wc -l <"$shared/sent")" = 730 ]
  for got in "$shared"/*.got; do sort "$got" | cmp - "$shared/sent" || return; done
}

one_order() {
  local shared=$out/shared got
  for got in "$shared"/*.got; do cmp "$got" "$shared/ws.got" || return; done
}

publishers_order() {
  local shared=$out/shared sent
  for sent in "$shared"/*.sent; do grep -Fx -f "$sent" "$shared/ws.got" | cmp - "$sent" || return; done
}

programs() {
  # The pings come often enough for a check to see some.
  start_server --ping-interval 1s --pong-timeout 30s
  check 'four subscribers and four publishers of five kinds on one channel' one_channel
  check 'everyone received everything, as text or as binary, unchanged' all_received_all
  check 'all in the same order' one_order
  check "and each publisher's messages in the order it sent them" publishers_order
  program websockets "$python" "$here/python_websockets.py" check "ws://127.0.0.1:$port"
  program aiohttp "$python" "$here/aiohttp_client.py" check "http://127.0.0.1:$port"
  program ws "${node[@]}" "$here/node_ws.mjs" check "ws://127.0.0.1:$port"
  start_server --message-rate 20 --ping-interval 1s --pong-timeout 1s
  local strict=http://127.0.0.1:$port
  start_server --max-connections-per-ip 2
  program aiohttp "$python" "$here/aiohttp_client.py" limits "$strict" "http://127.0.0.1:$port"
}

# Short runs: what they measure is of no interest here, what they count is.
load() {
  start "${node[@]}" "$here/loadgen_servers.mjs"
  local node_address=127.0.0.1:$port
  start "$python" "$here/loadgen_servers.py"
  local python_address=127.0.0.1:$port
  start_server --echo
  program loadgen "$python" "$here/loadgen.py" "$node_address" "$python_address" "127.0.0.1:$port"
}

# An authority, and a certificate of it for localhost; sets $ca, $certificate and $key.
make_certificates() {
  local folder=$out/tls
  ca=$folder/ca.pem certificate=$folder/server.pem key=$folder/server.key
  rm -rf "$folder"
  mkdir -p "$folder"
  local curve=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${curve[@]}" -keyout "$folder/ca.key" -out "$ca" -days 2 -subj '/CN=the authority of the tests' &&
    openssl req "${curve[@]}" -keyout "$key" -out "$folder/server.csr" -subj /CN=localhost &&
    openssl x509 -req -in "$folder/server.csr" -CA "$ca" -CAkey "$folder/ca.key" -days 2 -out "$certificate" \
      -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1')
} 2>"$out/openssl"

java_follows() {
  local store=$out/tls/store
  keytool -importcert -noprompt -alias ours -file "$ca" -keystore "$store" -storepass changeit &&
    java -Djavax.net.ssl.trustStore="$store" -Djavax.net.ssl.trustStorePassword=changeit "$here/Follow.java" "$1"
}

tls_programs() {
  start "$FANFARE" --listen tls:127.0.0.1:0 --tls-cert "$certificate" --tls-key "$key" --ping-interval 1s --pong-timeout 30s
  local address=localhost:$port
  SSL_CERT_FILE=$ca program websockets "$python" "$here/python_websockets.py" check "wss://$address"
  SSL_CERT_FILE=$ca program aiohttp "$python" "$here/aiohttp_client.py" check "https://$address"
  NODE_EXTRA_CA_CERTS=$ca program ws "${node[@]}" "$here/node_ws.mjs" check "wss://$address"
  check 'curl publishes over https, by HTTP/1.1 though it offers more' \
    curl -fsS --cacert "$ca" --http2 -d hello "https://$address/news"
  check 'loadgen: an echo over wss is checked like any other' \
    "$LOADGEN" broadcast "wss://$address/loadgen" --cacert "$ca" -c 5 --rate 50 -W 200ms -d 1s --drain 5s
  if command -v java >/dev/null; then
    check 'Java connects over wss' java_follows "wss://$address/java"
  else
    echo 'left out: java is not installed'
  fi
}

tls_browser() {
  local pin
  pin=$(openssl x509 -in "$certificate" -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
  program browser "${node[@]}" "$here/tls_browser.mjs" "$certificate" "$key" "$pin"
}

browser() {
  program browser "${node[@]}" "$here/browser.mjs"
}

begin_checks
rm -f "$out"/server-*.log
command -v curl >/dev/null || apt_install curl
install_python
install_npm
if [ "$part" = all ] || [ "$part" = browser ] || [ "$part" = tls ]; then install_chromium; fi
if [ "$part" = all ] || [ "$part" = programs ]; then programs; fi
if [ "$part" = all ] || [ "$part" = loadgen ]; then load; fi
if [ "$part" = all ] || [ "$part" = browser ]; then browser; fi
if [ "$part" = all ] || [ "$part" = tls ]; then
  make_certificates
  tls_programs
  tls_browser
fi
end_checks
