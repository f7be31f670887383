# Loaded by the tests of configs/: each works on a copy of its topology, since a topology's outputs
# lie beside it.
load ../cli/helper

# topology NAME: copies configs/NAME here, goes there, and expects `check` to have nothing to say.
topology() {
  GOLDEN=$RK_SOURCE/tests/golden/$1
  cp -r "$RK_SOURCE/configs/$1" .
  cd "$1"
  run_ringk 0 check "$1.yaml"
  same "check has nothing to say" "" "$(grep -E 'warning|error' <<<"$output$stderr" | grep -v '^0 errors, 0 warnings')"
}

# own_tests NAME [ARGS...]: the topology's `tests:` pass.
own_tests() {
  local name=$1
  shift
  run_ringk 0 test "$name.yaml" "$@"
}

same_file() {  # EXPECTED FOUND: byte for byte
  diff -u "$1" "$2" >&2
}

same_lines() {  # EXPECTED FOUND: the same lines in any order
  diff -u <(sort "$1") <(sort "$2") >&2
}

# counted FILTER EXPECTED: jq's answer about `ringk status NAME --json` (NAME is $TOPOLOGY).
status_is() {
  [ "$("$RINGK" status "$TOPOLOGY" --json | jq -c "$1")" = "$2" ]
}
