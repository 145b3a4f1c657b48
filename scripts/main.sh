# shellcheck shell=bash
# From the words on the command line to a function.

main() {
  local command=${1:-help}
  shift || true
  case $command in
    help | --help | -h) help ;;
    demo) dev_demo "$@" ;;
    test) dev_test "$@" ;;
    build) dev_build "$@" ;;
    shell) dev_shell "$@" ;;
    cluster) dev_cluster "$@" ;;
    image | images) dev_image "$@" ;;
    install) dev_install "$@" ;;
    fmt) dev_fmt "$@" ;;
    bench) dev_bench "$@" ;;
    sizes) dev_sizes "$@" ;;
    clean) dev_clean "$@" ;;
    __do) "$@" ;;  # how `step` calls back
    *)
      say "dev: there is no command '$command'. There are: demo test build shell cluster image install fmt bench sizes clean help"
      exit 2
      ;;
  esac
}

help() {
  cat <<TEXT
./dev demo                     from nothing to predictions: builds, starts a cluster, trains a small model, serves it
./dev test [part…]             every test, or some: ${TEST_PARTS[*]}; ${NAMED_PARTS[*]} only if named
./dev build [preset]           compile (dev, release, asan, tsan or fuzz; dev if none is named) into build/<preset>
./dev shell [command…]         run a command in the Debian 13 root, in the checkout (a shell if none is given)
./dev cluster up|down|status   a Kubernetes $KUBERNETES cluster on this machine; down leaves nothing behind
./dev cluster env|logs         what to eval to use it; the end of its programs' logs
./dev image                    build the container images, and load them into the cluster if it is up
./dev image --cuda             build the sidecar's image for NVIDIA's GPUs: a download of 3 GB, see docs/install.md
./dev install                  a cluster with the operator of this checkout on it
./dev fmt                      format the sources
./dev bench                    benchmarks
./dev sizes                    how big the images and the running programs are
./dev clean [--all]            remove build/ (and the cache with the root, Kubernetes, images and clusters)

demo, test and install take --cluster=current: the cluster that KUBECONFIG names instead of one of our own (it must
be able to pull \$PILOTLIGHT_OPERATOR_IMAGE and \$PILOTLIGHT_SIDECAR_IMAGE).

Each command sets up what it needs first, on Debian or Ubuntu, as root; what is there already costs nothing, and any
of them can be interrupted and run again.

PILOTLIGHT_CACHE         where the slow things are kept, now $CACHE
PILOTLIGHT_MIRROR        the Debian mirror, now $MIRROR
PILOTLIGHT_CLUSTER       the cluster's name, now $CLUSTER
PILOTLIGHT_CLUSTER_NET   the cluster's network is 10.THIS.0.0/16, now $NET.0.0/16
PILOTLIGHT_NODES         how many nodes it has, now $NODES
KUBEBUILDER_ASSETS       a folder with kube-apiserver and etcd, for the integration tests
TEXT
}

dev_shell() {
  need_root
  ensure_root
  if (($# == 0)); then set -- bash; fi
  enter_root --bind "${KUBECONFIG:+$(dirname "$(realpath -m -- "$KUBECONFIG")")}" KUBECONFIG="${KUBECONFIG:-}" -- "$@"
}

dev_install() {
  demo_options "$@"
  need_root
  counted demo_steps
}
