# shellcheck shell=bash
# Kubernetes itself: the last Debian release whose source package is whole has v1.20.2, and its own Go builds it.
# The root it is built in is thrown away; the five static binaries stay in the cache.

KUBERNETES=v1.20.2
KUBERNETES_BIN=$CACHE/kubernetes/$KUBERNETES
KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

kubernetes_recipe() { sha256sum "$HERE/scripts/inside/build-kubernetes" | cut -d' ' -f1; }
kubernetes_ready()  { [[ $(cat "$KUBERNETES_BIN/complete" 2>/dev/null) == "$(kubernetes_recipe)" ]]; }

ensure_kubernetes() {
  kubernetes_ready && return 0
  need_root
  need_space 10
  with_lock kubernetes make_kubernetes
}

make_kubernetes() {
  kubernetes_ready && return 0
  [[ -e $KUBERNETES_ROOT.made ]] || step "Make a Debian 12 root to build Kubernetes in" kubernetes-root make_kubernetes_root || return
  step "Build Kubernetes $KUBERNETES from Debian 12's source (about 7 min on 2 cores)" kubernetes-build build_kubernetes || return
  step "Clear away what the build needed" kubernetes-clear clear_kubernetes_build
}

KUBERNETES_ROOT=$CACHE/bookworm

make_kubernetes_root() {
  rm -rf --one-file-system "$KUBERNETES_ROOT"
  debian_root bookworm "$KUBERNETES_ROOT" ca-certificates,golang-go,golang-github-modern-go-reflect2-dev,make,rsync,git,dpkg-dev,which
  printf 'deb-src %s bookworm main\n' "$MIRROR" >"$KUBERNETES_ROOT/etc/apt/sources.list.d/source.list"
  : >"$KUBERNETES_ROOT.made"
}

# Starting again after an interruption costs little: the source is kept, and so is Go's build cache.
build_kubernetes() {
  local program new=$KUBERNETES_BIN.new built=$KUBERNETES_ROOT/go/src/k8s.io/kubernetes/_output/local/go/bin
  ROOT=$KUBERNETES_ROOT enter_root --pids -- \
    bash "$IN_ROOT/scripts/inside/build-kubernetes" "$KUBERNETES" "${KUBERNETES_PROGRAMS[@]}"
  rm -rf "$new"
  mkdir -p "$new"
  for program in "${KUBERNETES_PROGRAMS[@]}"; do install -m 755 "$built/$program" "$new/"; done
  "$new/kube-apiserver" --version
  kubernetes_recipe >"$new/complete"
  rm -rf "$KUBERNETES_BIN"
  mv "$new" "$KUBERNETES_BIN"
}

clear_kubernetes_build() {
  rm -rf --one-file-system "$KUBERNETES_ROOT" "$KUBERNETES_ROOT.made"
}
