#!/usr/bin/env bash
# The proxies of packaging/proxies before the release binary: nginx, HAProxy and Caddy with the files as they are shipped,
# but for ports and limits, and nginx asking an application who may enter a room. Prints a line for each check, then
# "N passed, N failed"; exits 1 if one failed. A proxy that is not installed is left out, which a line says.
#
#   run.sh                        those that are installed
#   run.sh --required nginx …     these; one that is not installed is a failure
#
# FANFARE: the binary (default: the release build). Logs stay in target/proxies.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=$root/target
fanfare=${FANFARE:-${CARGO_TARGET_DIR:-$target}/release/fanfare}
out=$target/proxies
. "$root/tests/clients/python_packages.sh"
. "$root/tests/support/checks.sh"
export PYTHONDONTWRITEBYTECODE=1 PROXIES_KEY=only-for-tests PROXIES_ADDRESS_LIMIT=20

required=
if [ "${1:-}" = --required ]; then
  required=1
  shift
fi
if [ $# = 0 ]; then set -- nginx haproxy caddy; fi
for proxy in "$@"; do
  if [[ ! $proxy =~ ^(nginx|haproxy|caddy)$ ]]; then
    echo "usage: run.sh [--required] [nginx] [haproxy] [caddy]" >&2
    exit 2
  fi
done

# start NAME COMMAND…: in the background, with a log of its own. Sets $pid.
start() {
  local log=$out/$1.log
  shift
  : >"$log"
  "$@" >"$log" 2>&1 &
  pid=$!
  started+=("$pid")
}

# fanfare on a free port; sets $pid and $port.
start_server() {
  local name=$1
  shift
  start "$name" "$fanfare" --listen 127.0.0.1:0 "$@"
  wait_for "$name" listening
  port=$(grep -oE '127\.0\.0\.1:[0-9]+' "$out/$name.log" | head -n 1 | cut -d: -f2)
}

# wait_for NAME WORD: until the log has the word.
wait_for() {
  for _ in $(seq 100); do
    if grep -q "$2" "$out/$1.log"; then return; fi
    sleep 0.1
  done
  cat "$out/$1.log"
  return 1
}

# until_open NAME PORT: until something listens there.
until_open() {
  for _ in $(seq 100); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return; fi
    sleep 0.1
  done
  cat "$out/$1.log"
  return 1
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# as_shipped FILE LISTEN: a file of packaging/proxies with the ports of this run; fanfare is at $socket, or at $port.
as_shipped() {
  sed -e "s|127\.0\.0\.1:8080|${socket:-127.0.0.1:$port}|" -e "s/127\.0\.0\.1:9000/127.0.0.1:${application_port:-9}/" \
    -e 's/maxconn 50000/maxconn 1000/' -e "s|/etc/nginx/fanfare-key.conf|$out/key.conf|" -e "$2" \
    "$root/packaging/proxies/$1"
}

# start_nginx NAME [FILE]: with nginx.conf, and with FILE in its server. Sets $pid and $proxy_port.
start_nginx() {
  local folder=$out/$1
  proxy_port=$(free_port)
  mkdir -p "$folder"
  as_shipped nginx.conf "s/listen 80;/listen 127.0.0.1:$proxy_port;/" >"$folder/fanfare.conf"
  if [ -n "${2:-}" ]; then
    as_shipped "$2" '' >"$folder/server.conf"
    sed -i "s|^    server_name.*|&\n    include $folder/server.conf;|" "$folder/fanfare.conf"
  fi
  cat >"$folder/nginx.conf" <<END
daemon off;
$([ "$(id -u)" != 0 ] || echo "user $(id -un);")
pid $folder/nginx.pid;
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  $(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $folder/$kind;"; done)
  include $folder/fanfare.conf;
}
END
  start "$1" nginx -p "$folder" -e stderr -c "$folder/nginx.conf"
  until_open "$1" "$proxy_port"
}

start_haproxy_tcp() {
  proxy_port=$(free_port)
  as_shipped haproxy-tcp.cfg "s/bind :80$/bind 127.0.0.1:$proxy_port/" | sed "s/check port 8081/check port $plain_port/" >"$out/$1.cfg"
  start "$1" haproxy -W -f "$out/$1.cfg"
  until_open "$1" "$proxy_port"
}

start_haproxy() {
  proxy_port=$(free_port)
  as_shipped haproxy.cfg "s/bind :80$/bind 127.0.0.1:$proxy_port/" >"$out/$1.cfg"
  start "$1" haproxy -W -f "$out/$1.cfg"
  until_open "$1" "$proxy_port"
}

# Caddy is asked to reload on its admin address; here it has none, because live sockets do not outlast that anyway.
start_caddy() {
  proxy_port=$(free_port)
  { printf '{\n\tadmin off\n}\n'; as_shipped Caddyfile "s|^chat.example.com {|http://chat.example.com:$proxy_port {|"; } >"$out/$1.Caddyfile"
  start "$1" env HOME="$out" XDG_DATA_HOME="$out" XDG_CONFIG_HOME="$out" caddy run --adapter caddyfile --config "$out/$1.Caddyfile"
  until_open "$1" "$proxy_port"
}

# try_proxy PROXY SHOWN SIGNAL: the proxy before a server that was prepared for it, and before one that was not.
try_proxy() {
  local proxy=$1 shown=$2 server prepared master
  start_server "$proxy-unprepared-server"
  "start_$proxy" "$proxy-unprepared"
  local unprepared=$proxy_port
  start_server "$proxy-server" --trusted-proxies 127.0.0.1 --max-connections-per-ip "$PROXIES_ADDRESS_LIMIT" \
    --allowed-origins https://chat.example.com --publish-key-file "$out/key" --publish none --log-events
  server=$pid
  "start_$proxy" "$proxy"
  prepared=$proxy_port master=$pid
  program "$shown" "$python" "$here/proxies.py" "$shown" "$prepared" "$unprepared" "$server" "$out/$proxy-server.log" kill "-$3" "$master"
}

# HAProxy in mode tcp, with the PROXY protocol: the true address, and nobody else may speak it.
proxy_protocol() {
  plain_port=$(free_port)
  start haproxy-tcp-server "$fanfare" --listen proxy:127.0.0.1:0 --listen "127.0.0.1:$plain_port" --trusted-proxies 127.0.0.1 \
    --max-connections-per-ip "$PROXIES_ADDRESS_LIMIT" --allowed-origins https://chat.example.com --publish-key-file "$out/key" \
    --publish none --log-events
  local server=$pid
  wait_for haproxy-tcp-server listening
  port=$(grep -oE 'proxy:127\.0\.0\.1:[0-9]+' "$out/haproxy-tcp-server.log" | head -n 1 | cut -d: -f3)
  start_haproxy_tcp haproxy-tcp
  program 'PROXY protocol' "$python" "$here/proxies.py" 'HAProxy in mode tcp' "$proxy_port" - "$server" "$out/haproxy-tcp-server.log" kill -USR2 "$pid"
}

# nginx, and a server that listens on a socket in the file system and nowhere else.
file_socket() {
  local socket=unix:$out/fanfare.sock
  start nginx-socket-server "$fanfare" --listen "$socket" --max-connections-per-ip "$PROXIES_ADDRESS_LIMIT" \
    --allowed-origins https://chat.example.com --publish-key-file "$out/key" --publish none --log-events
  local server=$pid
  wait_for nginx-socket-server listening
  start_nginx nginx-socket
  program 'nginx, socket' "$python" "$here/proxies.py" 'nginx at a socket in the file system' "$proxy_port" - "$server" "$out/nginx-socket-server.log" kill -HUP "$pid"
}

private_rooms() {
  application_port=$(free_port)
  start application "$python" "$here/private_rooms.py" application "$application_port"
  local application=$pid
  until_open application "$application_port"
  start_server rooms-server --trusted-proxies 127.0.0.1 --allowed-origins https://chat.example.com --publish-key-file "$out/key" --publish all
  start_nginx nginx-rooms nginx-private-rooms.conf
  program 'private rooms' "$python" "$here/private_rooms.py" check "$proxy_port" "$application"
}

rm -rf "$out"
begin_checks
printf %s "$PROXIES_KEY" >"$out/key"
echo "proxy_set_header Authorization \"Bearer $PROXIES_KEY\";" >"$out/key.conf"
install_python
for proxy in "$@"; do
  if ! command -v "$proxy" >/dev/null; then
    if [ -n "$required" ]; then
      echo "FAIL  $proxy is not installed: apt-get install $proxy" | report
    else
      echo "left out: $proxy is not installed (apt-get install $proxy)"
    fi
    continue
  fi
  case $proxy in
    nginx)
      try_proxy nginx nginx HUP
      file_socket
      private_rooms
      ;;
    haproxy)
      try_proxy haproxy HAProxy USR2
      proxy_protocol
      ;;
    caddy) try_proxy caddy Caddy USR1 ;;
  esac
done
end_checks
