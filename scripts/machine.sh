# shellcheck shell=bash
# A machine of the cluster (the control plane, or a node) is a process in namespaces of its own: PIDs, mounts, network,
# host name, cgroups. Its init ends with a single kill, and the kernel then takes away every process, mount and link in it.
# What the kernel leaves, cgroup folders and files, we remove.

machine_pid() {
  local pid started now
  read -r pid started 2>/dev/null <"$STATE/$1/init" || return 1
  now=$(started_at "$pid") || return 1
  [[ $now == "$started" ]] || return 1  # the id has been given to another process since
  printf '%s\n' "$pid"
}

# When a process started: with its id, this names it for good.
started_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) }
  # shellcheck disable=SC2086
  set -- $stat
  [[ $1 != Z ]] || return 1
  printf '%s\n' "${20}"
}

machine_alive() { machine_pid "$1" >/dev/null; }

# machine_start name role argument…: returns once its init runs and its namespaces can be entered.
machine_start() {
  local name=$1 i
  shift
  mkdir -p "$STATE/$name"
  rm -f "$STATE/$name/init" "$STATE/$name/entered"
  # setsid: a Ctrl-C meant for `dev` must not reach the cluster. Nor must `dev`'s lock.
  setsid unshare --mount --pid --fork --kill-child --net --uts --ipc --propagation private \
    bash "$STATE/inside/machine" "$ROOT" "$CACHE" "$STATE" "$CLUSTER" "$name" "$@" \
    >"$STATE/$name.log" 2>&1 </dev/null 9>&- &
  for ((i = 0; i < 100; i++)); do
    [[ -e $STATE/$name/entered ]] && machine_alive "$name" && return 0
    sleep 0.1
  done
  tail -n 20 "$STATE/$name.log" >&2
  die "the machine '$name' did not start"
}

machine_stop() {
  local pid i
  if pid=$(machine_pid "$1"); then
    kill -KILL "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do
      machine_alive "$1" || break
      sleep 0.1
    done
  fi
  remove_cgroups "pilotlight-$CLUSTER/$1"
}

# in_machine name command…: inside all its namespaces.
in_machine() {
  local pid
  pid=$(machine_pid "$1") || die "the machine '$1' is not running"
  shift
  nsenter --target "$pid" --mount --pid --net --uts --ipc --cgroup --root --wd=/ \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}

# remove_cgroups path: the tree of that name in every hierarchy. Processes that were killed take a moment to leave.
remove_cgroups() {
  local i top left
  for ((i = 0; i < 50; i++)); do
    left=0
    for top in "/sys/fs/cgroup/$1" /sys/fs/cgroup/*/"$1"; do
      [[ -d $top ]] || continue
      find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null || true
      [[ -d $top ]] && left=1
    done
    ((left)) || return 0
    sleep 0.1
  done
  warn "could not remove the cgroups called $1"
}
