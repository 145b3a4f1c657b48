# shellcheck shell=bash
# Compiling, in the root: build/<preset> of the checkout, with ccache in the cache.

dev_build() {
  local preset=${1:-dev}
  need_root
  ensure_root
  build "$preset"
}

# build preset [part]: all of it, or the build preset that makes a part of it. Once in a run is enough.
build() {
  local preset=$1 part=${2:-$1}
  [[ " $BUILT " == *" $part "* ]] && return 0
  step "Build ($part)" "build-$part" build_preset "$preset" "$part" || return
  BUILT+=" $part"
}
BUILT=${BUILT:-}

build_preset() {
  in_root cmake --preset "$1"
  in_root cmake --build --preset "$2"
}

dev_fmt() {
  need_root
  ensure_root
  in_root scripts/inside/format
}

dev_clean() {
  need_root
  rm -rf --one-file-system "$HERE/build"
  say "build/ is gone"
  if [[ ${1:-} == --all ]]; then
    for_each_cluster_down
    rm -rf --one-file-system "$CACHE"
    say "the cache $CACHE is gone, too"
  elif (($#)); then
    die "dev clean: only --all, not '$1'"
  fi
}

dev_bench() {
  [[ -e $HERE/bench/run ]] || { say "there is no bench/run yet, so there is nothing to do"; return 0; }
  need_root
  ensure_root
  build release
  enter_root PILOTLIGHT_BIN="$BIN" -- bench/run "$@"
}

# Measured on a cluster with the operator, which is left as it was found: up or not.
dev_sizes() {
  local rc=0 started_cluster=0
  demo_options "$@"
  need_root
  cluster_alive || started_cluster=1
  counted demo_steps
  with_cluster -- python3 e2e/sizes.py || rc=$?
  if ((started_cluster)) && [[ $CLUSTER_OF == ours ]]; then cluster_down; fi
  return "$rc"
}
