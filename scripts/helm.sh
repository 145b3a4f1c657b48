# shellcheck shell=bash
# Helm, for the chart's tests: no Debian package has it. $HELM or the machine's own; else a pinned one, where there is Go.

helm_built() { printf '%s/helm/%s/helm\n' "$CACHE" "$(<"$HERE/charts/helm-version")"; }

# Prints where helm is, as seen from inside the root; fails where there is none.
find_helm() {
  [[ -e $HERE/charts/helm-version ]] || return 1
  [[ -x $(helm_built) ]] && helm_built
}

ensure_helm() {
  find_helm >/dev/null && return 0
  [[ -e $HERE/charts/helm-version ]] || return 0
  local own
  if own=$(command -v "${HELM:-helm}"); then step "Take this machine's helm" helm keep_helm "$own"; return 0; fi
  command -v go >/dev/null || return 0
  # Missing helm is a skip, not a failure.
  step "Build helm $(<"$HERE/charts/helm-version")" helm make_helm || warn "helm could not be built; the chart tests that need it are skipped"
}

keep_helm() {
  mkdir -p "$(dirname "$(helm_built)")"
  cp -L "$1" "$(helm_built).new"
  mv "$(helm_built).new" "$(helm_built)"
}

make_helm() {
  local new
  new=$(mktemp -d)
  CGO_ENABLED=0 GOBIN=$new go install "helm.sh/helm/v3/cmd/helm@$(<"$HERE/charts/helm-version")"
  keep_helm "$new/helm"
  rm -rf "$new"
}
