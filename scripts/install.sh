# shellcheck shell=bash
# Pilotlight on a cluster: ours, or with --cluster=current the one that KUBECONFIG names.

# Exported for the processes that steps run in.
export CLUSTER_OF=${CLUSTER_OF:-ours}  # or: current

our_kubeconfig() { if [[ $CLUSTER_OF == current ]]; then user_kubeconfig; else printf '%s\n' "$KUBECONFIG_FILE"; fi; }

# A user's kubeconfig may lie anywhere: the first of the list, or where kubectl looks.
user_kubeconfig() {
  local file=${KUBECONFIG:-$HOME/.kube/config}
  realpath -e -- "${file%%:*}" || die "--cluster=current: there is no kubeconfig at ${file%%:*}"
}

# with_cluster [VAR=value…] -- command…: in the root, with all that a test or an example needs to know of the cluster.
with_cluster() {
  local config
  config=$(our_kubeconfig)
  enter_root --bind "${config%/*}" KUBECONFIG="$config" PILOTLIGHT_HOST_ADDRESS="$HOST_ADDRESS" PILOTLIGHT_BIN="$BIN" "$@"
}
kube() { with_cluster -- "$@"; }

# The cluster, the images on it, and the operator.
ensure_installed() {
  ensure_base_images && build release && build_images || return
  if [[ $CLUSTER_OF == ours ]]; then
    ensure_kubernetes && cluster_up && step "Load the images into the cluster" image-load load_images operator sidecar || return
  fi
  step "Install the operator" install install_operator
}

# API servers before 1.25 know no CEL rules, and refuse them.
manifest() {
  local minor
  minor=$(kube kubectl version -o json | in_root jq -r '.serverVersion.minor' | tr -cd 0-9)
  if ((minor >= 25)); then echo charts/pilotlight.yaml; else echo charts/pilotlight-1.20.yaml; fi
}

install_operator() {
  local file before after
  file=$(manifest)
  before=$(operator_image_id)
  # Twice at most: the namespace and the resource's definition come first, and take a moment.
  apply_manifest "$file" || { sleep 2; apply_manifest "$file"; }
  # The tag stays the same when the image changes.
  after="$(cat "$IMAGES/operator.id" "$IMAGES/sidecar.id")"
  if [[ -n $before && $before != "$after" ]]; then kube kubectl -n pilotlight-system rollout restart deployment/pilotlight-operator; fi
  kube kubectl annotate --overwrite namespace pilotlight-system "pilotlight.dev/built-from=$after"
  kube kubectl -n pilotlight-system rollout status deployment/pilotlight-operator --timeout=120s || {
    kube kubectl -n pilotlight-system get all -o wide
    kube kubectl -n pilotlight-system describe pods
    kube kubectl -n pilotlight-system logs deployment/pilotlight-operator --tail=50
    return 1
  }
}

apply_manifest() {
  sed "s|pilotlight.dev/operator:dev|$OPERATOR_IMAGE|g; s|pilotlight.dev/sidecar:dev|$SIDECAR_IMAGE|g" "$HERE/$1" |
    kube kubectl apply --server-side --force-conflicts -f -
}

operator_image_id() {
  kube kubectl get namespace pilotlight-system -o 'jsonpath={.metadata.annotations.pilotlight\.dev/built-from}' 2>/dev/null || true
}
