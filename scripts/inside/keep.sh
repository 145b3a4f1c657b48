# shellcheck shell=bash
# keep name command…: runs it in the background, its output in the machine's folder, and starts it again when it ends,
# as an init system would.
keep() {
  local name=$1
  shift
  (
    while :; do
      "$@" >>"$state/$machine/$name.log" 2>&1 </dev/null || true
      printf '%s: %s ended; starting it again\n' "$(date -u +%FT%TZ)" "$name"
      sleep 1
    done
  ) &
}

# Waits without end, and as PID 1 reaps what others leave behind.
stay() {
  while :; do wait || true; sleep 1; done
}
