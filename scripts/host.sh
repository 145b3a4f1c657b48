# shellcheck shell=bash
# What is asked of the machine itself: root, a little disk, three small packages.

need_root() {
  ((EUID == 0)) || die "this needs root (it makes a Debian root, mounts and network namespaces): sudo $HERE/dev …"
}

# need_space GiB: checked before anything slow begins.
need_space() {
  local have
  mkdir -p "$CACHE"
  have=$(df -Pk "$CACHE" | awk 'NR==2 {print int($4 / 1048576)}')
  ((have >= $1)) || die "$CACHE has $have GiB free, and this needs $1. Free some, or set PILOTLIGHT_CACHE to a folder elsewhere"
}

# need_tools tool=package…: apt-get only for what is missing.
need_tools() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
  done
  ((${#missing[@]})) || return 0
  command -v apt-get >/dev/null || die "please install: ${missing[*]} (no apt-get on this machine to do it with)"
  step "Install ${missing[*]}" host-packages apt_install_host "${missing[@]}"
}

apt_install_host() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends "$@"
}

# with_lock name function argument…: keeps two `dev`s from making the same thing at once.
# The lock is file descriptor 9, held by us and by the step that is running, so it goes when they go, however that is.
with_lock() {
  local name=$1
  shift
  if [[ ${COUNTING:-} ]]; then "$@"; return; fi
  mkdir -p "$CACHE"
  exec 9>"$CACHE/$name.lock"
  if ! flock -n 9; then
    say "waiting for another ./dev that is busy with this ($name) …"
    flock 9
  fi
  local rc=0
  "$@" || rc=$?  # so what is called here says itself where it stops: `set -e` does not hold in it
  exec 9>&-
  return "$rc"
}
