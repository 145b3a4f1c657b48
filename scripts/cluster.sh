# shellcheck shell=bash
# A real cluster on this machine, made of `machine`s: up, down, status.

KUBECONFIG_FILE=$STATE/kubeconfig

machines() { echo control; local i; for ((i = 0; i < NODES; i++)); do echo "node$i"; done; }

# All machines run, as many as asked for, and the API answers.
cluster_alive() {
  local name
  [[ -e $STATE/complete && $(<"$STATE/complete") == "$NODES" ]] || return 1
  for name in $(machines); do machine_alive "$name" || return 1; done
  kubectl get --raw /readyz >/dev/null 2>&1
}

kubectl() { enter_root KUBECONFIG="$KUBECONFIG_FILE" -- kubectl "$@"; }

cluster_up() {
  if cluster_alive; then say "cluster '$CLUSTER': already up"; return 0; fi
  need_root
  need_space 6
  with_lock "cluster-$CLUSTER" cluster_start
}

cluster_start() {
  step "Clear what an earlier cluster may have left" cluster-clear cluster_clear &&
  step "Start the control plane" cluster-control start_control &&
  step "Start $NODES node(s)" cluster-nodes start_nodes &&
  step "Wait for the API and the nodes" cluster-wait wait_for_cluster
}

start_control() {
  local i nodes=()
  for ((i = 0; i < NODES; i++)); do nodes+=("node$i=$(node_address "$i")"); done
  mkdir -p "$STATE"
  # A copy: the running cluster must not depend on the checkout.
  cp -r "$HERE/scripts/inside" "$STATE/inside"
  in_root bash "$STATE/inside/make-pki" "$STATE" "$API" \
    "$CONTROL_ADDRESS,127.0.0.1,${SERVICES%.*}.1" "${nodes[@]}"
  machine_start control control-plane "$CONTROL_ADDRESS" "$PODS" "$SERVICES" "$KUBERNETES_BIN"
  connect_control "$(machine_pid control)"
}

start_nodes() {
  local i control pids=()
  control=$(machine_pid control)
  for ((i = 0; i < NODES; i++)); do
    machine_start "node$i" node "$(node_address "$i")" "$(node_pods "$i")" "$PODS" "$KUBERNETES_BIN"
    pids+=("$(machine_pid "node$i")")
    connect_node "$i" "${pids[i]}" "$control"
  done
  connect_nodes_to_each_other "${pids[@]}"
}

# wait_until seconds what command…
wait_until() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || { say "gave up waiting for $what; the last try:"; "$@" || true; return 1; }
    sleep 0.5
  done
  say "$what: yes"
}

wait_for_cluster() {
  local i
  wait_until 120 "API ready" kubectl get --raw /readyz || { cluster_logs; return 1; }
  for ((i = 0; i < NODES; i++)); do
    wait_until 120 "node$i registered" kubectl get node "node$i" || { cluster_logs; return 1; }
  done
  load_images pause
  kubectl wait --for=condition=Ready node --all --timeout=120s || { cluster_logs; return 1; }
  wait_until 60 "service account made" kubectl get serviceaccount default
  printf '%s\n' "$NODES" >"$STATE/complete"
}

cluster_logs() { tail -n 5 "$STATE"/*.log "$STATE"/*/*.log 2>/dev/null || true; }

cluster_down() {
  [[ -d $STATE ]] || { say "cluster '$CLUSTER': nothing to stop"; return 0; }
  with_lock "cluster-$CLUSTER" step "Stop cluster '$CLUSTER'" cluster-down cluster_clear
}

cluster_clear() {
  local dir
  [[ -d $STATE ]] || return 0
  rm -f "$STATE/complete"
  # Nodes first: what runs on them should not see its API vanish before it does.
  for dir in "$STATE"/node*/ "$STATE"/control/; do
    [[ -d $dir ]] || continue
    machine_stop "$(basename "$dir")"
  done
  ip link del "$HOST_LINK" 2>/dev/null || true
  remove_cgroups "pilotlight-$CLUSTER"
  rm -rf --one-file-system "$STATE"
}

for_each_cluster_down() {
  local dir
  for dir in "$CACHE"/clusters/*/; do
    [[ -d $dir ]] && PILOTLIGHT_CLUSTER=$(basename "$dir") "$HERE/dev" cluster down
  done
}

cluster_env() {
  cluster_alive || die "no cluster '$CLUSTER' is up: ./dev cluster up"
  printf 'export KUBECONFIG=%s\nexport PILOTLIGHT_HOST_ADDRESS=%s\n' "$KUBECONFIG_FILE" "$HOST_ADDRESS"
}

cluster_status() {
  local name
  [[ -d $STATE ]] || { say "cluster '$CLUSTER': not up"; return 0; }
  for name in control $(find "$STATE" -maxdepth 1 -name 'node*' -type d -printf '%f\n' | sort); do
    if machine_alive "$name"; then printf '%-8s running, init is %s\n' "$name" "$(machine_pid "$name")"; else printf '%-8s not running\n' "$name"; fi
  done
  cluster_alive && kubectl get nodes -o wide
}

cluster_steps() {
  ensure_root && ensure_kubernetes && ensure_base_images && cluster_up
}

dev_cluster() {
  local command=${1:-status}
  need_root
  case $command in
    up)
      counted cluster_steps
      say "to use it: eval \"\$($0 cluster env)\"; to stop it: $0 cluster down"
      ;;
    down) cluster_down ;;
    env) cluster_env ;;
    status) cluster_status ;;
    logs) cluster_logs ;;
    *) die "dev cluster: up, down, env, status or logs, not '$command'" ;;
  esac
}
