# shellcheck shell=bash
# The Debian 13 root: compilers, LibTorch, containerd, kubectl, pytest, all that we use lives in it, on every host alike.

# packages name…: the lists in packages/, without comments.
packages() {
  local name
  for name; do sed 's/#.*//' "$HERE/packages/$name"; done | tr -s ' \t' '\n' | sed '/^$/d' | sort -u
}

root_recipe() { { echo trixie 1; packages build test cluster; } | sha256sum | cut -d' ' -f1; }
root_ready()  { [[ -d $ROOT && $(cat "$ROOT.stamp" 2>/dev/null) == "$(root_recipe)" ]]; }

ensure_root() {
  root_ready && return 0
  need_root
  need_space 12
  need_tools mmdebstrap=mmdebstrap ip=iproute2 unshare=util-linux
  [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || step "Install debian-archive-keyring" host-packages apt_install_host debian-archive-keyring
  with_lock root make_or_top_up_root
}

make_or_top_up_root() {
  root_ready && return 0  # someone else made it while we waited
  if [[ -d $ROOT ]]; then
    step "Add packages to the Debian 13 root" root top_up_root
  else
    step "Make a Debian 13 root with compilers and libraries" root make_root
  fi
}

make_root() {
  local list
  rm -rf --one-file-system "$ROOT.new"
  list=$(packages build test cluster | paste -sd,)
  debian_root trixie "$ROOT.new" "$list"
  prepare_root "$ROOT.new"
  mv "$ROOT.new" "$ROOT"
  root_recipe >"$ROOT.stamp"
}

# debian_root suite folder packages: what it mounts and starts goes when it goes.
debian_root() {
  unshare --mount --propagation private --pid --fork --kill-child --mount-proc mmdebstrap --variant=minbase --skip=check/empty --include="$3" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    "$1" "$2" "deb $MIRROR $1 main"
}

# An interrupted apt-get is finished first, then whatever the lists have gained is added.
top_up_root() {
  prepare_root "$ROOT"
  local missing
  in_root dpkg --configure -a
  # shellcheck disable=SC2016
  mapfile -t missing < <(comm -23 <(packages build test cluster) \
    <(in_root dpkg-query -W -f '${db:Status-Abbrev}\t${Package}\n' | awk '$1 == "ii" {print $2}' | sort -u))
  if ((${#missing[@]})); then
    in_root apt-get update
    in_root apt-get -y -f --no-install-recommends install "${missing[@]}"
    in_root apt-get clean
  fi
  root_recipe >"$ROOT.stamp"
}

# No daemons are started by packages.
prepare_root() {
  printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
  chmod +x "$1/usr/sbin/policy-rc.d"
}
