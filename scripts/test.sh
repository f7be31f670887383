#!/usr/bin/env bash
# Installs what is missing, builds and runs every test: the release build with the checks of the
# project's habits, then the same suite under ASan+UBSan and under TSan.
# usage: test.sh [--fast]       --fast: the release build alone, without clang-tidy
set -euo pipefail
cd "$(dirname "$0")/.."

presets=(release asan tsan)
tidy=yes
case "${1:-}" in
  "") ;;
  --fast) presets=(release); tidy= ;;
  *) echo "usage: test.sh [--fast]" >&2; exit 2 ;;
esac

scripts/install-deps.sh test

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0 run=0 skipped=0
lines=()

folder() { case $1 in release) echo build ;; *) echo "build-$1" ;; esac; }

suite() {  # PRESET: configures, builds, tests, and adds to the summary
  local preset=$1 log=$scratch/$1.log summary of_failed of_run of_skipped
  echo "== $preset"
  if ! cmake --preset "$preset" -DRINGKERNEL_TESTS=ON \
    -DRINGKERNEL_BENCHMARKS="$([ "$preset" = release ] && echo ON || echo OFF)" \
    "${launcher[@]}" >"$log" 2>&1; then
    cat "$log"
    lines+=("$preset: does not configure")
    failed=$((failed + 1))
    return
  fi
  if ! cmake --build "$(folder "$preset")"; then
    lines+=("$preset: does not build")
    failed=$((failed + 1))
    return
  fi
  ctest --preset "$preset" --parallel "$(nproc)" --no-tests=error --timeout 600 2>&1 | tee "$log" || true
  summary=$(grep -E '^[0-9]+% tests passed, ' "$log" || true)
  if [ -z "$summary" ]; then
    lines+=("$preset: no tests ran")
    failed=$((failed + 1))
    return
  fi
  of_failed=$(sed -E 's/.*passed, ([0-9]+) tests? failed.*/\1/' <<<"$summary")
  of_run=$(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$summary")
  of_skipped=$(grep -cE '\*\*\*Skipped' "$log" || true)
  failed=$((failed + of_failed)) run=$((run + of_run)) skipped=$((skipped + of_skipped))
  lines+=("$preset: $summary, $of_skipped skipped")
}

for preset in "${presets[@]}"; do
  suite "$preset"
  if [ "$preset" = release ] && [ -n "$tidy" ]; then
    echo "== tidy"
    if scripts/tidy.sh; then
      lines+=("tidy: clean")
    else
      lines+=("tidy: findings above")
      failed=$((failed + 1))
    fi
  fi
done

echo
printf '%s\n' "${lines[@]}"
if [ "$failed" = 0 ]; then
  echo "100% tests passed, 0 tests failed out of $run ($skipped skipped)"
else
  echo "$failed failed out of $run ($skipped skipped)"
  exit 1
fi
