#!/usr/bin/env bash
# Runs on a machine with a GPU what no other machine can: a first echo, the ladder of measurements
# (tests/cuda/ladder), the behaviour suite, what a device does when its host is killed and when a
# handler faults, every topology of configs/ beside the CPU, and compute-sanitizer where it is. Once
# it is built it ends by itself within 8 minutes: what matters most comes first, and every step has a
# limit of its own.
#
# usage: gpu.sh [--build DIR] [--only STEP,...] [FOLDER]
#                                   results into FOLDER (build/gpu): a table, JSON, logs
#        gpu.sh --pack DIR          for a GPU machine that cannot build
# Exit: 0; 1: something failed; 2: usage; 77: there is no GPU.
#
# Without --build it builds first, in build/, which needs the packages of `install-deps.sh build` and
# doctest-dev. With it DIR is a build folder, or a pack: the three programs that run, stripped, with
# the shared libraries that they need (found beside them by $ORIGIN), the handlers of configs/,
# compiled, and NVRTC, compressed. A pack is some 60 MB. It needs this repository on the GPU machine
# too, at the same revision, but nothing installed there beyond the NVIDIA driver.
set -uo pipefail
from=$PWD
repository=$(cd "$(dirname "$0")/.." && pwd)
cd "$repository" || exit 1
budget=470  # seconds, all in all

usage() {
  echo "usage: gpu.sh [--build DIR] [--only STEP,...] [FOLDER] | gpu.sh --pack DIR" >&2
  exit 2
}

absolute() { case $1 in /*) echo "$1" ;; *) echo "$from/$1" ;; esac; }

build() {
  local missing=()
  if command -v dpkg-query >/dev/null; then
    local package
    for package in g++ cmake ninja-build pkg-config libcli11-dev libexpected-dev libsimdjson-dev \
      libspdlog-dev libyaml-cpp-dev nlohmann-json3-dev prometheus-cpp-dev doctest-dev; do
      case "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" in
        *"ok installed") ;;
        *) missing+=("$package") ;;
      esac
    done
  fi
  if [ ${#missing[@]} != 0 ]; then
    echo "gpu.sh: to build, these packages are missing: ${missing[*]}" >&2
    echo "  install them (apt-get install --no-install-recommends ${missing[*]})," >&2
    echo "  or build elsewhere: gpu.sh --pack DIR there, gpu.sh --build DIR here" >&2
    exit 1
  fi
  { cmake --preset release -DRINGKERNEL_TESTS=ON && cmake --build build --target ringk \
    ringkernel_gpu_ladder ringkernel_cuda_backend_test; } >&2 || exit 1
}

# --- packing

nvrtc_libraries() {  # of this machine: the newest, and what it loads
  local folder file
  for folder in /usr/local/cuda/lib64 /opt/cuda/lib64 /usr/lib/x86_64-linux-gnu; do
    for file in "$folder"/libnvrtc.so.13 "$folder"/libnvrtc.so.12; do
      [ -e "$file" ] || continue
      echo "$file"
      ls "$folder"/libnvrtc-builtins.so."$(sed 's/.*\.so\.//' <<<"$file")".*
      return
    done
  done 2>/dev/null
}

# made PACK TOPOLOGY ARGS...: its handlers compiled, for a machine without a compiler
made() {  # other GPUs' are compiled there, by NVRTC
  local into=$1
  shift
  RINGK_CACHE_DIR=$into/cache build/apps/ringk/ringk build "$@" --arch sm_90 >/dev/null || echo "gpu.sh: not all handlers of $1 are in the pack" >&2
}

pack() {
  local into=$1 program library
  build
  mkdir -p "$into"/{bin,lib,older,nvrtc} || exit 1
  for program in build/apps/ringk/ringk build/tests/cuda/ringkernel_gpu_ladder \
    build/tests/backend/ringkernel_cuda_backend_test; do
    strip -o "$into/bin/$(basename "$program")" "$program" || exit 1
    ldd "$program"
  done | awk '$2 == "=>" && $3 ~ "^/" { print $3 }' | sort -u | while read -r library; do
    case $(basename "$library") in
      libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.*) continue ;;  # the system's
      libstdc++.so.* | libgcc_s.so.*) into_folder=older ;;  # for a system whose own are older
      *) into_folder=lib ;;
    esac
    strip --strip-unneeded -o "$into/$into_folder/$(basename "$library")" "$library" || exit 1
  done
  for library in $(nvrtc_libraries); do
    gzip -c "$library" >"$into/nvrtc/$(basename "$library").gz"
  done
  [ -n "$(ls "$into/nvrtc")" ] || echo "NVRTC is not on this machine, so not in the pack" >&2
  local topology
  for topology in configs/*/*.yaml; do
    made "$into" "$topology"
  done
  made "$into" configs/fraud/fraud.yaml --set kernels.score.granularity=thread
  git rev-parse HEAD >"$into/revision" 2>/dev/null || rm -f "$into/revision"
  du -sh "$into" >&2
}

# --- what is run

place=
folder=
only=
while [ $# -gt 0 ]; do
  case $1 in
    --build) [ $# -gt 1 ] || usage; place=$(absolute "$2"); shift 2 ;;
    --only) [ $# -gt 1 ] || usage; only=,$2,; shift 2 ;;
    --pack) [ $# = 2 ] || usage; pack "$(absolute "$2")"; exit ;;
    -*) usage ;;
    *) [ -z "$folder" ] || usage; folder=$(absolute "$1"); shift ;;
  esac
done

if [ -z "$place" ]; then
  # Before a build that would be for nothing; RINGK_CUDA_LIBRARY: the driver is somewhere else.
  if [ -z "${RINGK_CUDA_LIBRARY:-}" ] && [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/dxg ] &&
    ! ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
    echo "gpu.sh: there is no NVIDIA driver on this machine, so nothing to run" >&2
    exit 77
  fi
  build
  place=$repository/build
fi
if [ -x "$place/bin/ringk" ]; then
  ringk=$place/bin/ringk ladder=$place/bin/ringkernel_gpu_ladder
  suite=$place/bin/ringkernel_cuda_backend_test
else
  ringk=$place/apps/ringk/ringk ladder=$place/tests/cuda/ringkernel_gpu_ladder
  suite=$place/tests/backend/ringkernel_cuda_backend_test
fi
for program in "$ringk" "$ladder" "$suite"; do
  [ -x "$program" ] || { echo "gpu.sh: $place has no $(basename "$program")" >&2; exit 2; }
done

folder=${folder:-$repository/build/gpu}
mkdir -p "$folder" || exit 1
rm -f "$folder"/*.{log,out,json,jsonl} "$folder"/table.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Handlers and kernels are compiled from the sources of this checkout.
export RK_SOURCE=$repository RINGK_INCLUDE_DIR=$repository/lib/include
export RINGK_CACHE_DIR=${RINGK_CACHE_DIR:-$scratch/cache}
if [ -d "$place/cache" ]; then
  mkdir -p -m 700 "$RINGK_CACHE_DIR"
  (umask 077 && cp -r "$place/cache/." "$RINGK_CACHE_DIR")
fi
if ! "$ringk" --version >/dev/null 2>&1 && [ -d "$place/older" ]; then
  LD_LIBRARY_PATH=$place/older${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
if ! "$ringk" --version >"$folder/version.log" 2>&1; then
  echo "gpu.sh: $ringk does not run here:" >&2
  cat "$folder/version.log" >&2
  exit 1
fi
if [ -z "${RINGK_NVRTC_LIBRARY:-}" ] && [ -z "$(nvrtc_libraries)" ] &&
  ! ldconfig -p 2>/dev/null | grep -q 'libnvrtc\.so\.1[23]' && ls "$place"/nvrtc/*.gz >/dev/null 2>&1; then
  for library in "$place"/nvrtc/*.gz; do
    gunzip -c "$library" >"$scratch/$(basename "$library" .gz)"
  done
  RINGK_NVRTC_LIBRARY=$(ls "$scratch"/libnvrtc.so.*)
  export RINGK_NVRTC_LIBRARY LD_LIBRARY_PATH=$scratch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi

begun=$SECONDS
failed=0
rows=()

row() {  # NAME RESULT SECONDS
  printf '%-46s %-22s %4s s\n' "$1" "$2" "$3" >&2
  rows+=("{\"step\": \"$1\", \"result\": \"$2\", \"seconds\": $3}")
}

# step NAME LIMIT COMMAND...: its output into FOLDER/NAME.log, its stdout also into FOLDER/NAME.out
step() {
  local name=$1 limit=$2 from=$SECONDS left=$((budget - SECONDS + begun)) code result
  shift 2
  [ -z "$only" ] || [[ $only == *,$name,* ]] || return 0
  if [ "$left" -lt 10 ]; then
    row "$name" "no time left" 0
    failed=1
    return 1
  fi
  [ "$limit" -lt "$left" ] || limit=$left
  timeout -k 5 "$limit" "$@" >"$folder/$name.out" 2>"$folder/$name.log"
  code=$?
  case $code in
    0) result=ok ;;
    77) result=skipped ;;
    124 | 137) result="longer than $limit s" failed=1 ;;
    *) result="failed ($code)" failed=1 ;;
  esac
  row "$name" "$result" $((SECONDS - from))
  [ $code = 0 ] || [ $code = 77 ] || tail -n 5 "$folder/$name.log" "$folder/$name.out" >&2
  return $code
}

# Where no resident kernel can run, a sentence and not a hang.
refusals() {
  local hello=$repository/configs/hello/hello.yaml code
  CUDA_LAUNCH_BLOCKING=1 "$ringk" launch "$hello" </dev/null
  code=$?
  [ $code = 0 ] || { echo "auto under CUDA_LAUNCH_BLOCKING: exit $code, not 0" >&2; return 1; }
  CUDA_LAUNCH_BLOCKING=1 "$ringk" launch "$hello" --set kernels.greeter.backend=cuda </dev/null
  code=$?
  [ $code = 69 ] || { echo "CUDA_LAUNCH_BLOCKING: exit $code, not 69" >&2; return 1; }
  "$ringk" launch "$hello" --set kernels.greeter.backend=cuda \
    --set kernels.greeter.launch.grid_size=60000 </dev/null
  code=$?
  [ $code = 78 ] || { echo "60000 blocks: exit $code, not 78" >&2; return 1; }
}

sanitized() {
  compute-sanitizer --error-exitcode 9 "$suite" -tc='an event-driven kernel*'
}

{
  "$ringk" --version
  nvidia-smi --query-gpu=name,driver_version,power.limit,clocks.max.sm --format=csv,noheader
  nproc
  sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1
} >"$folder/machine.log" 2>&1
export -f refusals sanitized
export ringk suite repository

step echo 60 "$ladder" echo
case $? in
  77)
    cat "$folder/echo.log" >&2
    exit 77
    ;;
  0) ;;
  *)
    echo "gpu.sh: not even an echo works, so nothing else is tried" >&2
    exit 1
    ;;
esac
mapfile -t rungs < <("$ladder" --list | grep -v '^echo$')
for rung in "${rungs[@]}"; do step "$rung" 60 "$ladder" --seconds 3 "$rung"; done
step behaviour 120 "$suite"
if [ -d "$place/cache" ] || command -v g++ >/dev/null || command -v clang++ >/dev/null; then
  step results 100 "$repository/tests/cuda/same_results.sh" "$ringk" "$repository"
  step refusals 30 bash -c refusals
elif [ -z "$only" ]; then
  row "results (there is no C++ compiler)" skipped 0
fi
step after-a-kill 45 "$repository/tests/cuda/killed.sh" "$ringk" "$ladder"
step faults 60 "$repository/tests/cuda/faults.sh" "$ringk"
if command -v compute-sanitizer >/dev/null; then
  step sanitizer 90 bash -c sanitized
elif [ -z "$only" ]; then
  row "sanitizer (there is no compute-sanitizer)" skipped 0
fi

for rung in "${rungs[@]}"; do cat "$folder/$rung.out"; done 2>/dev/null | grep '^{' >"$folder/ladder.jsonl"
{
  echo "{\"schema\": \"ringk.gpu/1\", \"revision\": \"$(git rev-parse --short HEAD 2>/dev/null)\", \"steps\": ["
  (IFS=$'\n'; echo "${rows[*]}") | sed '$!s/$/,/'
  echo "]}"
} >"$folder/steps.json"
if command -v python3 >/dev/null; then
  python3 tests/cuda/ladder/table.py "$folder/ladder.jsonl" "$folder/ladder.json" |
    tee "$folder/table.md"
else
  cat "$folder/ladder.jsonl"
fi
exit $failed
