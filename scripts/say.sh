# shellcheck shell=bash
# What people see: one line per step, with elapsed time; the full output goes to a log.

say()  { [[ ${COUNTING:-} ]] || printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die()  { printf 'error: %s\n' "$*" >&2; exit 1; }

# 133 -> 2m13s
elapsed() {
  local s=$1
  if ((s >= 60)); then printf '%dm%02ds' $((s / 60)) $((s % 60)); else printf '%ds' "$s"; fi
}

STEP=0 STEPS=0

# counted function…: goes through it twice, first only to count its steps. A step after it has no number.
counted() {
  COUNTING=1
  STEP=0 BUILT=
  "$@"
  COUNTING=
  STEPS=$STEP STEP=0 BUILT=
  "$@" || return
  STEPS=0
}

# The last thing a log said, short enough for one line.
last_words() {
  tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n1 | cut -c1-"${2:-70}" || true
}

# Shows that a step is alive, until killed: on a terminal every second, elsewhere every half minute.
ticker() {
  local label=$1 log=$2 parent=$3 start=$SECONDS pause=30
  [[ ! ${QUIET:-} ]] || return 0
  [[ -t 2 ]] && pause=1
  while sleep "$pause" && kill -0 "$parent" 2>/dev/null; do
    if [[ -t 2 ]]; then
      printf '\r\033[K%s … %s  %s' "$label" "$(elapsed $((SECONDS - start)))" "$(last_words "$log" 60)" >&2
    else
      printf '      … %s  %s\n' "$(elapsed $((SECONDS - start)))" "$(last_words "$log" 100)" >&2
    fi
  done
}

# step "Title" name-of-log command…
# Runs one of our functions, or a program, in a process of its own (so that `set -e` holds inside, whatever calls us).
step() {
  local title=$1 log=$LOGS/$2.log start=$SECONDS label tick rc=0
  shift 2
  STEP=$((STEP + 1))
  [[ ${COUNTING:-} ]] && return 0
  label=$title
  ((STEPS)) && label="[$STEP/$STEPS] $title"
  mkdir -p "$LOGS"
  : >"$log"
  printf '%s …' "$label" >&2
  [[ -t 2 ]] || printf '\n' >&2
  ticker "$label" "$log" $$ </dev/null 9>&- & tick=$!
  "$HERE/dev" __do "$@" >"$log" 2>&1 </dev/null || rc=$?
  kill "$tick" 2>/dev/null || true
  wait "$tick" 2>/dev/null || true
  if ((rc == 0)); then
    if [[ -t 2 ]]; then printf '\r\033[K%s … %s\n' "$label" "$(elapsed $((SECONDS - start)))" >&2
    else printf '      done in %s\n' "$(elapsed $((SECONDS - start)))" >&2; fi
    return 0
  fi
  if ((rc == 130)); then
    printf '\n%s: interrupted. Run the same again, and it goes on from here.\n' "$label" >&2
    exit 130
  fi
  printf '\n%s: failed after %s. The end of its log:\n' "$label" "$(elapsed $((SECONDS - start)))" >&2
  tail -n 40 "$log" | sed 's/^/    /' >&2
  say "full log: $log"
  return "$rc"
}

# beside "what" function [argument…] -- function [argument…]: both at once. What the first says is shown when it is done.
beside() {
  local what=$1 first=() said=$LOGS/beside.log pid
  shift
  while [[ $1 != -- ]]; do first+=("$1"); shift; done
  shift
  if [[ ${COUNTING:-} ]]; then
    "$@"
    step "" ""
    return
  fi
  say "      beside what follows: $what"
  # A session of its own: it is ended as a whole, and the kernel gives it no less of the processors than the other.
  QUIET=1 BUILT=$BUILT setsid "$HERE/dev" __do "${first[@]}" >"$said" 2>&1 </dev/null 9>&- & pid=$!
  # shellcheck disable=SC2064
  trap "kill -KILL -- -$pid 2>/dev/null || true" EXIT  # what is in the root has a PID namespace, which ends with it
  "$@"
  step "What ran beside: $what" beside-end tail -n +1 --pid="$pid" -f "$said"
  wait "$pid" || true  # its parts have written down what became of them
  trap - EXIT
  cat "$said" >&2
}
