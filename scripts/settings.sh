# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the other parts
# What can be set from outside, and the paths everything else is built on.

CACHE=${PILOTLIGHT_CACHE:-/var/cache/pilotlight}  # everything slow to make; shared by all checkouts
LOGS=$CACHE/logs                                  # the full output of every step
ROOT=$CACHE/trixie                                # the Debian 13 root that everything runs in
IN_ROOT=/src                                      # where the checkout appears inside it,
BIN=$IN_ROOT/build/release/bin                    # and there the programs

CLUSTER=${PILOTLIGHT_CLUSTER:-pilotlight}         # several clusters can run side by side, each with a name,
NODES=${PILOTLIGHT_NODES:-1}                      # nodes,
NET=10.${PILOTLIGHT_CLUSTER_NET:-77}                 # and addresses of its own
STATE=$CACHE/clusters/$CLUSTER                    # all that a running cluster keeps

# A mirror is asked by its usual name, unless the host already has one of its own.
default_mirror() {
  local found=
  if [[ -r /etc/os-release ]] && grep -q '^ID=debian$' /etc/os-release; then
    found=$(grep -rhoE --include=*.list --include=*.sources 'https?://[^ ]+/debian/?( |$)' /etc/apt 2>/dev/null | head -n1) || true
  fi
  found=${found%% *}
  printf '%s\n' "${found:-http://deb.debian.org/debian}"
}
MIRROR=${PILOTLIGHT_MIRROR:-$(default_mirror)}
