# shellcheck shell=bash
# The cluster's network: 10.N.0.0/16, all of it inside network namespaces, so that nothing a pod sends leaves this machine.
#
#   10.N.255.1     this host (a model server for tests can listen here)
#   10.N.255.2     the control plane; the switch (a bridge) is in its namespace too
#   10.N.255.10+i  node i
#   10.N.i.0/24    pods of node i
#   10.N.128.0/20  Services; the host's route to them is through node 0
#
# The host has one link of its own, and that goes when the control plane's namespace goes.

HOST_ADDRESS=$NET.255.1
CONTROL_ADDRESS=$NET.255.2
SERVICES=$NET.128.0/20
PODS=$NET.0.0/17
API=https://$CONTROL_ADDRESS:6443
node_address() { printf '%s\n' "$NET.255.$((10 + $1))"; }
node_pods()    { printf '%s\n' "$NET.$1.0/24"; }

# A link name has at most 15 letters, and must differ between clusters.
HOST_LINK=pilot$(printf '%s' "$CLUSTER" | cksum | cut -d' ' -f1 | cut -c1-9)

in_network() { nsenter --target "$1" --net "${@:2}"; }

# The host and the control plane, on the switch.
connect_control() {
  local pid=$1
  if ip -o addr show | grep -F "inet $NET." | grep -vqF " $HOST_LINK "; then
    die "this machine already uses $NET.0.0/16; choose another second number with PILOTLIGHT_CLUSTER_NET=…"
  fi
  ip link del "$HOST_LINK" 2>/dev/null || true
  in_network "$pid" ip link add switch type bridge
  in_network "$pid" ip addr add "$CONTROL_ADDRESS/24" dev switch
  in_network "$pid" ip link set switch up
  ip link add "$HOST_LINK" type veth peer name host netns "$pid"
  in_network "$pid" ip link set host master switch up
  ip addr add "$HOST_ADDRESS/24" dev "$HOST_LINK"
  ip link set "$HOST_LINK" up
}

# connect_node i pid-of-node pid-of-control: plugs node i into the switch, and tells everyone where its pods are.
connect_node() {
  local i=$1 node=$2 control=$3 address
  address=$(node_address "$i")
  in_network "$control" ip link add "node$i" type veth peer name eth0 netns "$node"
  in_network "$control" ip link set "node$i" master switch up
  in_network "$node" ip addr add "$address/24" dev eth0
  in_network "$node" ip link set eth0 up
  in_network "$control" ip route replace "$(node_pods "$i")" via "$address"
  ip route replace "$(node_pods "$i")" via "$address"
  if ((i == 0)); then
    ip route replace "$SERVICES" via "$address"
    in_network "$control" ip route replace "$SERVICES" via "$address"
  fi
}

# connect_nodes_to_each_other pid…: in order.
connect_nodes_to_each_other() {
  local i j pids=("$@")
  for i in "${!pids[@]}"; do
    for j in "${!pids[@]}"; do
      ((i == j)) || in_network "${pids[i]}" ip route replace "$(node_pods "$j")" via "$(node_address "$j")"
    done
  done
}
