#!/usr/bin/env bash
# A place for bundles on a cluster that has none, to try the pipeline: the web server of examples/digits, which keeps them
# in a ConfigMap. All of them together may have 1 MiB. Not for production.
#
#   store.sh uri               makes the server, and prints where pods find what is in it
#   store.sh put FILE NAME
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
digits=$here/../digits
export IMAGE=${PILOTLIGHT_SIDECAR_IMAGE:-pilotlight.dev/sidecar:dev}

# apply MANAGER: server-side, so that each file's owner is another and none of them takes the others out.
apply() { kubectl apply --server-side --force-conflicts --field-manager "$1" -f - >&2; }

# config_map NAME FIELD KEY, with the value in standard input
config_map() {
  printf '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}, "%s": {"%s": "%s"}}\n' "$1" "$2" "$3" "$(cat)"
}

# With another CONTENT the server starts again, and has what the ConfigMap has now.
serve() {
  base64 -w 0 "$digits/serve.pl" | config_map models-program binaryData serve.pl | apply kubectl
  DIGEST=$1 python3 "$here/fill.py" <"$digits/models.yaml" | apply kubectl
  kubectl rollout status deployment/models --timeout=120s >&2
}

case "${1:-} $#" in
  'uri 1')
    kubectl get configmap models >/dev/null 2>&1 || kubectl create configmap models >&2
    kubectl get deployment models >/dev/null 2>&1 || serve empty
    # Its address rather than its name: a cluster need not have DNS.
    printf 'http://%s\n' "$(kubectl get service models -o 'jsonpath={.spec.clusterIP}')"
    ;;
  'put 3')
    base64 -w 0 "$2" | config_map models binaryData "$3" | apply "pipeline-$3"
    serve "$3"
    ;;
  *)
    sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
    ;;
esac
