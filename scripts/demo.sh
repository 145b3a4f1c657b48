# shellcheck shell=bash
# From nothing to predictions on a real cluster.

dev_demo() {
  local start=$SECONDS
  demo_options "$@"
  need_root
  counted demo_steps
  say "everything is up after $(elapsed $((SECONDS - start))); now the example"
  kube_demo
  say
  say "That took $(elapsed $((SECONDS - start))). The cluster is still up:"
  say "  eval \"\$($HERE/dev cluster env)\"      to use it with kubectl"
  say "  $HERE/dev cluster down            to stop it; nothing is left behind"
}

demo_options() {
  local word
  for word; do
    case $word in
      --cluster=current) CLUSTER_OF=current ;;
      *) die "dev demo: only --cluster=current, not '$word'" ;;
    esac
  done
}

demo_steps() {
  ensure_root && ensure_installed
}

kube_demo() {
  with_cluster -- python3 examples/digits/demo.py
}
