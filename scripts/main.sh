# shellcheck shell=bash
# From the words on the command line to a function.

main() {
  local command=${1:-help}
  shift || true
  case $command in
    help | --help | -h) help ;;
    cluster) dev_cluster "$@" ;;
    image) dev_image "$@" ;;
    shell) dev_shell "$@" ;;
    __do) "$@" ;;  # how `step` calls back
    *) say "dev: no command called '$command'"; help >&2; exit 2 ;;
  esac
}

help() {
  cat <<'TEXT'
./dev shell [command…]   run a command in the Debian 13 root, in the checkout (a shell if none is given)
TEXT
}

dev_shell() {
  need_root
  ensure_root
  if (($# == 0)); then set -- bash; fi
  in_root "$@"
}
