# shellcheck shell=bash
# Container images, from ordinary Dockerfiles and without a registry: the base image is made by mmdebstrap, the rest by
# buildah inside the root, and containerd takes them from an archive.

IMAGES=$CACHE/images
OPERATOR_IMAGE=${PILOTLIGHT_OPERATOR_IMAGE:-pilotlight.dev/operator:dev}
SIDECAR_IMAGE=${PILOTLIGHT_SIDECAR_IMAGE:-pilotlight.dev/sidecar:dev}
CUDA_IMAGE=${PILOTLIGHT_SIDECAR_CUDA_IMAGE:-pilotlight.dev/sidecar-cuda:dev}
CUDA_IMAGES=$CACHE/images-cuda  # gigabytes that nothing else needs, so nothing else waits for them
PAUSE_IMAGE=pilotlight.dev/pause:dev
BASE_IMAGE=docker.io/library/debian:trixie-slim

ensure_base_images() {
  [[ -e $IMAGES/base.made && -e $IMAGES/pause.tar ]] && return 0
  with_lock images make_base_images
}

make_base_images() {
  [[ -e $IMAGES/base.made ]] || step "Make the base image $BASE_IMAGE" image-base inside_images make-base "$MIRROR" "$BASE_IMAGE" || return
  [[ -e $IMAGES/pause.tar ]] || step "Make the pause image" image-pause inside_images make-pause "$PAUSE_IMAGE"
}

inside_images() { enter_root --pids -- bash "$IN_ROOT/scripts/inside/images" "$IMAGES" "$@"; }

# The operator's and the sidecar's, from build/release/bin.
build_images() {
  ensure_base_images && with_lock images build_product_images
}

build_product_images() {
  step "Image $OPERATOR_IMAGE" image-operator inside_images build operator "$OPERATOR_IMAGE" || return
  step "Image $SIDECAR_IMAGE" image-sidecar inside_images build sidecar "$SIDECAR_IMAGE"
}

# The sidecar's for GPUs, from the sources: LibTorch for CUDA is in no root but the image's own.
build_cuda_image() {
  need_space 30
  mkdir -p "$CACHE/ccache"
  [[ -e $CUDA_IMAGES/base.made ]] || step "Make the base image $BASE_IMAGE" image-cuda-base inside_cuda_images make-base "$MIRROR" "$BASE_IMAGE" || return
  # What it compiles goes through our ccache; what it downloads may come through a proxy that our certificates know.
  step "Image $CUDA_IMAGE" image-sidecar-cuda inside_cuda_images build sidecar-cuda "$CUDA_IMAGE" \
    --volume "$CACHE/ccache:/root/.cache/ccache" --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt || return
  say "it is in $CUDA_IMAGES/sidecar-cuda.tar"
}

inside_cuda_images() { enter_root --pids -- bash "$IN_ROOT/scripts/inside/images" "$CUDA_IMAGES" "$@"; }

# load_images name…: into every node of the cluster, unless this very image is there.
load_images() { with_lock images load_images_locked "$@"; }

load_images_locked() {
  local node name
  for ((node = 0; node < NODES; node++)); do
    for name; do load_image "node$node" "$name" || return; done
  done
}

load_image() {
  local node=$1 name=$2 loaded=$STATE/$1/images/$2
  [[ -e $IMAGES/$name.id ]] || die "there is no image '$name' yet: ./dev image"
  if cmp -s "$IMAGES/$name.id" "$loaded"; then return 0; fi
  in_machine "$node" ctr -n k8s.io images import --all-platforms=false "$IMAGES/$name.tar" || return
  mkdir -p "${loaded%/*}" &&
  cp "$IMAGES/$name.id" "$loaded"
}

dev_image() {
  need_root
  case "$*" in
    '') ;;
    --cuda) ensure_root; with_lock images-cuda build_cuda_image; return ;;
    *) die "dev image: only --cuda, not '$*'" ;;
  esac
  ensure_root
  [[ -e $HERE/build/release/bin/pilotlight-operator && -e $HERE/build/release/bin/pilotlight-sidecar ]] || dev_build release
  build_images
  if cluster_alive; then step "Load the images into the cluster" image-load load_images operator sidecar; fi
}
