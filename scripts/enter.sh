# shellcheck shell=bash
# Running something inside the root. The mounts it needs live in a mount namespace of its own,
# so they are gone when it ends, however it ends.

# in_root command…: with the checkout at /src as the working directory and a clean environment.
in_root() { enter_root -- "$@"; }

# enter_root [--pids] [--bind FOLDER] [VAR=value…] -- command…
# --pids: also in a PID namespace of its own, so that nothing it starts outlives it.
# --bind: a folder of the host (not '') that appears at the same path.
enter_root() {
  local pids=() vars=() binds=
  while [[ $1 != -- ]]; do
    case $1 in
      --pids) pids=(--pid --fork --kill-child) ;;
      --bind) binds+=${2:+$2:}; shift ;;
      *) vars+=("$1") ;;
    esac
    shift
  done
  shift
  local name
  for name in TERM CI NO_COLOR http_proxy https_proxy no_proxy OPENBLAS_CORETYPE OPENBLAS_L2_SIZE \
    PYTEST_ADDOPTS "${!PILOTLIGHT_@}"; do
    [[ -v $name ]] && vars+=("$name=${!name}")
  done
  unshare --mount --propagation private "${pids[@]}" bash "$HERE/scripts/inside/enter-root" \
    "$ROOT" "$HERE" "$IN_ROOT" "$CACHE" "${#pids[@]}" "$binds" "${vars[@]}" \
    CCACHE_DIR="$CACHE/ccache" CCACHE_BASEDIR="$IN_ROOT" CCACHE_MAXSIZE=5G -- "$@"
}
