# shellcheck shell=bash
# The tests, all or those named, each part a step; then a table, and the sum as the last line.

TEST_PARTS=(format crd python sim sanitized sandboxed tidy fuzz integration e2e chart)  # what is quick to fail first
WAITING_PARTS=(e2e chart)  # wait for pods and clocks most of their time, and leave the processors to the others
# Only if named: sanitized and sandboxed have the same tests as unit, and mutants runs the planner's once for each guard.
NAMED_PARTS=(unit mutants)
PYTEST=(-p no:cacheprovider -q -rs --color=no --timeout=600)  # a test that hangs must not take the others with it
RESULTS=$HERE/build/test-results

dev_test() {
  local word parts=() started_cluster=0 failed=0
  for word; do
    case $word in
      all) parts=("${TEST_PARTS[@]}"); TIDY_SECONDS=60 ;;
      fmt) parts+=(format) ;;
      --cluster=current) CLUSTER_OF=current ;;
      --help | -h) say "dev test [--cluster=current] [part…]   parts: ${TEST_PARTS[*]} (all of these if none is named) ${NAMED_PARTS[*]}"; return 0 ;;
      *)
        [[ " ${TEST_PARTS[*]} ${NAMED_PARTS[*]} " == *" $word "* ]] ||
          die "dev test: no part called '$word'; there are: ${TEST_PARTS[*]} ${NAMED_PARTS[*]}"
        parts+=("$word")
        ;;
    esac
  done
  if ((!${#parts[@]})); then parts=("${TEST_PARTS[@]}"); TIDY_SECONDS=60; fi
  need_root
  choose_nodes
  mkdir -p "$RESULTS"
  rm -rf "${RESULTS:?}"/*
  cluster_alive || started_cluster=1
  counted run_parts "${parts[@]}"
  if ((started_cluster)) && [[ $CLUSTER_OF == ours && -d $STATE ]]; then cluster_down; fi
  in_root python3 scripts/inside/count-tests "${RESULTS/#$HERE/$IN_ROOT}" "${parts[@]}" || failed=1
  return "$failed"
}

# Some tests want two nodes; a cluster that is there is taken as it is. Exported for the processes that steps run in.
choose_nodes() {
  [[ ! -v PILOTLIGHT_NODES ]] || return 0
  NODES=2
  [[ ! -e $STATE/complete ]] || NODES=$(<"$STATE/complete")
  export PILOTLIGHT_NODES=$NODES
}

run_parts() {
  local part waiting=() others=()
  ensure_root
  for part; do
    if [[ " ${WAITING_PARTS[*]} " == *" $part "* ]]; then waiting+=("$part"); else others+=("$part"); fi
  done
  if ((${#waiting[@]} && ${#others[@]})); then
    build release || return  # both sides want it, and only one may make it
    beside "${waiting[*]}" each_part "${waiting[@]}" -- each_part "${others[@]}"
  else
    each_part "$@"
  fi
}
each_part() { local part; for part; do "test_$part" || true; done; }

# part name "Title" function…: a failure is written down, and the next part goes on.
part() {
  local name=$1 title=$2 rc=0 start=$SECONDS
  shift 2
  step "$title" "test-$name" "$@" || rc=$?
  [[ ${COUNTING:-} ]] || printf '%s %s\n' "$rc" "$((SECONDS - start))" >"$RESULTS/$name.rc"
}

# What a part needs first; if that fails, so does the part.
first() {
  local name=$1 rc=0
  shift
  "$@" || rc=$?
  ((rc == 0)) || printf '%s 0\n' "$rc" >"$RESULTS/$name.rc"
  return "$rc"
}

skip() { [[ ${COUNTING:-} ]] || printf '%s\n' "$2" >"$RESULTS/$1.skip"; }

results_inside() { printf '%s/build/test-results/%s\n' "$IN_ROOT" "$1"; }

test_format() { part format "Formatting and shell scripts" check_format; }
check_format() { in_root scripts/inside/format --check; in_root scripts/inside/check-scripts "$(results_inside format.count)"; }

test_unit() {
  first unit build dev || return 0
  part unit "Unit tests" run_ctest dev dev unit
}
# All but those of the engine's sandbox: the sanitizers make system calls that it does not allow.
test_sanitized() {
  first sanitized build asan || return 0
  part sanitized "Unit tests, with ASan and UBSan" run_ctest asan asan sanitized
}
# Those, with the programs that go into the images.
test_sandboxed() {
  first sandboxed build release sandboxed || return 0
  part sandboxed "Unit tests of the engine in its sandbox" run_ctest sandboxed release sandboxed
}
# run_ctest preset build part: each program writes down what its tests came to, and that is what is counted.
run_ctest() {
  local rc=0 written=$HERE/build/$2/gtest
  rm -f "$written"/*
  enter_root --pids -- ctest --preset "$1" --no-tests=error || rc=$?
  cp -r "$written" "$RESULTS/$3" || rc=1
  return "$rc"
}

# Ten thousand scenarios and every crash of thirty named ones. With sanitizers (above) it is a sample of both.
test_sim() {
  first sim build release sim || return 0
  part sim "The planner in a simulated cluster" run_sim
}
run_sim() { enter_root --pids -- python3 scripts/inside/sim build/release/bin/pilotlight_sim_test "$(results_inside sim.xml)"; }

test_mutants() { part mutants "A named test for each guard of the planner" run_mutants; }
run_mutants() { enter_root --pids -- python3 tests/sim/mutate "$(results_inside mutants.count)"; }

test_fuzz() {
  first fuzz build fuzz || return 0
  part fuzz "Fuzzers of every parser of outside bytes" run_fuzz
}
run_fuzz() { enter_root --pids -- python3 scripts/inside/fuzz build/fuzz/bin "$CACHE/fuzz" "$(results_inside fuzz.xml)"; }

test_tidy() {
  first tidy build asan || return 0
  # Half an hour from nothing: among all parts it gets a while, for what was changed last. A step is a process of its own.
  part tidy "clang-tidy" run_tidy ${TIDY_SECONDS:+--seconds "$TIDY_SECONDS"}
}
run_tidy() { in_root python3 scripts/inside/tidy "$@" build/asan "$CACHE/tidy" "$(results_inside tidy.xml)"; }

test_python() {
  [[ -d $HERE/tools ]] || { skip python "there is no tools/ yet"; return 0; }
  part python "The tests of the exporter and the examples" run_python
}
run_python() { unset KUBECONFIG; in_root_pytest python tools examples; }

in_root_pytest() {
  local name=$1
  shift
  # CXX: models are compiled, too, and through ccache.
  enter_root --pids PILOTLIGHT_BIN="$BIN" CXX=/usr/lib/ccache/g++ KUBEBUILDER_ASSETS="${KUBEBUILDER_ASSETS:-}" \
    --bind "${KUBEBUILDER_ASSETS:-}" -- \
    python3 -m pytest "${PYTEST[@]}" --junitxml="$(results_inside "$name.xml")" "$@"
}

test_crd() {
  [[ -e $HERE/tests/crd/test ]] || { skip crd "there is no tests/crd yet"; return 0; }
  command -v go >/dev/null || { skip crd "no go on this machine, which the CEL rules are tested with"; return 0; }
  part crd "The CEL rules, by a new API server's own code" run_crd
}
run_crd() {
  local rc=0 out=$RESULTS/crd.out
  "$HERE/tests/crd/test" -v >"$out" 2>&1 || rc=$?
  grep -vE '^ *(=== |--- PASS)' "$out" || true
  printf '%s %s %s\n' "$(grep -cE '^ *--- PASS' "$out")" "$(grep -cE '^ *--- FAIL' "$out")" "$(grep -cE '^ *--- SKIP' "$out")" >"$RESULTS/crd.count"
  return "$rc"
}

test_integration() {
  [[ -d $HERE/tests/integration ]] || { skip integration "there is no tests/integration yet"; return 0; }
  first integration build release || return 0
  [[ ${KUBEBUILDER_ASSETS:-} ]] || first integration ensure_kubernetes || return 0
  part integration "Integration tests, with a real kube-apiserver" run_integration
}
run_integration() { unset KUBECONFIG; in_root_pytest integration tests/integration; }

test_e2e() {
  [[ -d $HERE/e2e ]] || { skip e2e "there is no e2e/ yet"; return 0; }
  first e2e ensure_installed || return 0
  part e2e "End-to-end tests, on a real cluster" run_e2e
}
run_e2e() {
  with_cluster -- python3 -m pytest "${PYTEST[@]}" --junitxml="$(results_inside e2e.xml)" e2e
}

test_chart() {
  [[ -e $HERE/charts/test ]] || { skip chart "there is no charts/test yet"; return 0; }
  ensure_helm
  part chart "The chart's tests" run_chart
}
run_chart() {
  local config=
  if [[ $CLUSTER_OF == current ]] || cluster_alive; then config=$(our_kubeconfig); fi
  enter_root --bind "${config%/*}" KUBECONFIG="$config" HELM="$(find_helm || true)" PILOTLIGHT_BIN="$BIN" -- \
    charts/test -q --color=no --junitxml="$(results_inside chart.xml)"
}
