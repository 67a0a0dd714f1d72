# The Python packages that the clients need, for scripts to source. The script has set `target`.
python=$target/clients/venv/bin/python
python_packages=(websockets==17.4 aiohttp==3.14.5)

# Installs once for each list of packages.
install_python() {
  local venv=$target/clients/venv
  local stamp=$venv/.ready-${python_packages[*]}
  [ -f "${stamp// /_}" ] && return
  rm -rf "$venv"
  if ! python3 -c 'import ensurepip' 2>/dev/null; then apt_install python3-venv; fi
  python3 -m venv "$venv"
  "$python" -m pip install -q --disable-pip-version-check "${python_packages[@]}"
  touch "${stamp// /_}"
}

apt_install() {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
