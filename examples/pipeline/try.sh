#!/usr/bin/env bash
# try.sh: run.sh with all that it needs, on a cluster with Pilotlight (KUBECONFIG): a key of its own in build/pipeline, and
# a place for the bundle on the cluster itself.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
cd -- "$here/../.."
export PATH=$PWD/build/release/bin:$PATH

export KEY=build/pipeline/private.pem
mkdir -p build/pipeline
[[ -s $KEY ]] || (umask 077 && openssl genpkey -algorithm ed25519 -out "$KEY")

BUNDLE_URI=$("$here/store.sh" uri)
export BUNDLE_URI UPLOAD="'$here/store.sh' put \"\$FILE\" \"\$FILE_NAME\""
exec "$here/run.sh"
