#!/usr/bin/env bash
# check-symbols.sh passes a library that exports its own names, and finds others and GNU_UNIQUE.
set -euo pipefail
check=$(cd "$(dirname "$0")/../../scripts" && pwd)/check-symbols.sh
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT
fail() { echo "$1" >&2; exit 1; }
build() { g++ -std=c++20 -shared -fPIC -o lib.so -x c++ -; }

build <<<'namespace ringkernel { struct A { virtual ~A(); }; A::~A() {} } extern "C" void rk_go() {}'
"$check" lib.so >/dev/null || fail "own names were refused"

build <<<'namespace fmt { void format() {} } namespace ringkernel { void f() {} }'
if out=$("$check" lib.so); then fail "a foreign symbol passed"; fi
grep -q 'fmt::format()' <<<"$out" || fail "the foreign symbol is not named: $out"

build <<<'namespace ringkernel { inline int& f() { static int one; return one; } int g() { return f(); } }'
if out=$("$check" lib.so); then fail "a GNU_UNIQUE symbol passed"; fi
grep -q 'GNU_UNIQUE' <<<"$out" || fail "GNU_UNIQUE is not named: $out"
