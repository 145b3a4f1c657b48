#!/usr/bin/env bash
# run.sh: a model from training to serving, in the stages that README.md explains. Stops at the first one that fails,
# says which, and ends with its status; the last one is `kubectl pilotlight wait`: 0 serves, 1 rejected, 2 not yet decided.
#
#   BUNDLE_URI=https://models.example/digits UPLOAD='aws s3 cp "$FILE" "s3://models/digits/$FILE_NAME"' KEY=private.pem run.sh
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "$here/../.."
export PYTHONPATH=$PWD/tools${PYTHONPATH:+:$PYTHONPATH}

# TRAIN, SIGN and UPLOAD are commands for a shell, which finds BUNDLE, KEY, FILE and FILE_NAME in its environment.
export BUNDLE=${BUNDLE:-build/pipeline/digits.tar}  # what TRAIN writes
# shellcheck disable=SC2016
TRAIN=${TRAIN:-'python3 examples/digits/train.py "$(dirname "$BUNDLE")"'}
# shellcheck disable=SC2016
SIGN=${SIGN:-'python3 -m pilotlight_export sign "$BUNDLE" --key "$KEY"'}
export NAME=${NAME:-digits}                         # of the ModelDeployment
MANIFEST=${MANIFEST:-$here/model.yaml}              # ${NAME}, ${URI}, ${DIGEST} and ${PUBLIC_KEY} in it are filled in
LEVEL=${LEVEL:-Answers}                             # the least that the proof must show
TIMEOUT=${TIMEOUT:-10m}                             # for the rollout; for a canary, all of its steps and more

for needed in BUNDLE_URI UPLOAD KEY; do
  [[ -n ${!needed:-} ]] || { echo "run.sh: $needed is not set; examples/pipeline/README.md tells what it is" >&2; exit 2; }
done
export KEY

stage=
trap 'status=$?; ((status == 0)) || echo "run.sh: stopped at $stage, status $status" >&2' EXIT
begin() { stage=$1; printf '\n── %s\n' "$1" >&2; }

begin train
mkdir -p "$(dirname "$BUNDLE")"
rm -f "$BUNDLE" "$BUNDLE.sig"  # what an earlier run has left is not this one's
bash -euo pipefail -c "$TRAIN"
sum=$(sha256sum "$BUNDLE")
digest=${sum%% *}

begin sign
bash -euo pipefail -c "$SIGN"
public=$BUNDLE.pem
openssl pkey -in "$KEY" ${PILOTLIGHT_KEY_PASSPHRASE:+-passin env:PILOTLIGHT_KEY_PASSPHRASE} -pubout -out "$public"

begin verify
kubectl pilotlight verify "$BUNDLE" --minimum-level "$LEVEL" --digest "sha256:$digest" --public-key "$public"

# Other bytes, another address: what serves may be fetched again at any time. The signature first: a model without one is
# refused, not waited for.
begin upload
base=$(basename "$BUNDLE")
stored=${base%.*}-${digest:0:12}.${base##*.}
FILE=$BUNDLE.sig FILE_NAME=$stored.sig bash -euo pipefail -c "$UPLOAD"
FILE=$BUNDLE FILE_NAME=$stored bash -euo pipefail -c "$UPLOAD"

begin apply
key=$(<"$public")
URI=${BUNDLE_URI%/}/$stored DIGEST=sha256:$digest PUBLIC_KEY=${key//$'\n'/\\n}\\n \
  python3 "$here/fill.py" <"$MANIFEST" >"$BUNDLE.yaml"
kubectl apply -f "$BUNDLE.yaml"

begin wait
status=0
kubectl pilotlight wait "$NAME" --timeout "$TIMEOUT" || status=$?
if ((status != 0)); then kubectl pilotlight status "$NAME" >&2 || true; fi
exit "$status"
