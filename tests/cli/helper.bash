# Loaded by every .bats file: `load helper`. Each test runs in a folder of its own, with runtime
# and state folders of its own; compiled handlers are shared between tests.
bats_require_minimum_version 1.5.0

setup() {
  RINGK=${RINGK:-${BATS_TEST_DIRNAME}/../../build/apps/ringk/ringk}
  RK_SOURCE=${RK_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
  export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
  export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
  export XDG_CACHE_HOME=${RK_CACHE:-$BATS_FILE_TMPDIR/cache}
  export NO_COLOR=1
  export TSAN_OPTIONS="${TSAN_OPTIONS:-} exitcode=96"  # its own default is one of ours
  unset RINGK_RUNTIME_DIR RINGK_STATE_DIR
  mkdir -p -m 700 "$XDG_RUNTIME_DIR" "$XDG_STATE_HOME" "$XDG_CACHE_HOME" "$BATS_TEST_TMPDIR/work"
  cd "$BATS_TEST_TMPDIR/work"
  started=()
}

teardown() {
  local name
  for name in "${started[@]}"; do
    "$RINGK" stop "$name" --if-running >/dev/null 2>&1 || true
  done
}

ringk() { "$RINGK" "$@"; }

# run_ringk CODE ARGS...: expects the exit code; sets $output to stdout and $stderr to stderr.
run_ringk() {
  local code=$1
  shift
  run --separate-stderr "$RINGK" "$@"
  expect_code "$code" "ringk $*"
}

# run_shell CODE 'ringk launch ... < input': the same for a line of shell.
run_shell() {
  local code=$1
  shift
  export RINGK
  run --separate-stderr bash -c 'ringk() { "$RINGK" "$@"; }; '"$1"
  expect_code "$code" "$1"
}

expect_code() {  # CODE COMMAND: of the last run; else shows what it wrote
  [ "$status" = "$1" ] && return
  printf '%s\nexit code %s, expected %s\n' "$2" "$status" "$1" >&2
  printf -- '-- stdout\n%s\n-- stderr\n%s\n' "$output" "$stderr" | head -c 20000 >&2
  return 1
}

# start NAME ARGS...: ringk launch -d ARGS..., stopped again when the test ends.
start() {
  started+=("$1")
  shift
  "$RINGK" launch -d "$@" 2>launch.err
}

# eventually COMMAND...: waits until the command succeeds; fails after half a minute.
eventually() {
  local tries
  for tries in $(seq 300); do
    "$@" && return
    sleep 0.1
  done
  echo "never became true: $*" >&2
  return 1
}

# json FILTER: jq's answer about $output.
json() { jq -r "$1" <<<"$output"; }

# same WHAT EXPECTED ACTUAL
same() {
  if [ "$2" != "$3" ]; then
    printf '%s\nexpected: %s\nfound:    %s\n' "$1" "$2" "$3" >&2
    return 1
  fi
}

has() {  # TEXT WORDS: TEXT contains WORDS
  if [[ "$1" != *"$2"* ]]; then
    printf 'expected to contain: %s\nfound: %s\n' "$2" "$1" >&2
    return 1
  fi
}
