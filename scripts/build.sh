# shellcheck shell=bash
# Compiling, in the root: build/<preset> of the checkout, with ccache in the cache.

dev_build() {
  local preset=${1:-dev}
  need_root
  ensure_root
  build "$preset"
}

# Once in a run is enough.
build() {
  [[ " $BUILT " == *" $1 "* ]] && return 0
  step "Build ($1)" "build-$1" build_preset "$1" || return
  BUILT+=" $1"
}
BUILT=

build_preset() {
  in_root cmake --preset "$1"
  in_root cmake --build --preset "$1"
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

# bench and sizes are the checkout's own scripts: run them in the root, on a release build.
dev_script() {
  local what=$1 script=$2
  shift 2
  [[ -e $HERE/$script ]] || { say "there is no $script yet, so there is nothing for ./dev $what to do"; return 0; }
  need_root
  ensure_root
  build release
  enter_root KUBECONFIG="$(our_kubeconfig)" PILOTLIGHT_BIN="$IN_ROOT/build/release/bin" PILOTLIGHT_IMAGES="$IMAGES" \
    PILOTLIGHT_HOST_ADDRESS="$HOST_ADDRESS" -- "$script" "$@"
}
