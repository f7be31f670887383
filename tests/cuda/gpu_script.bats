# scripts/gpu.sh, on the simulated GPU and without one.
load ../cli/helper

@test "gpu.sh without a GPU says so and exits 77" {
  export RINGK_CUDA_LIBRARY=/nowhere/libcuda.so.1
  run_shell 77 "$RK_SOURCE/scripts/gpu.sh --build $RK_BUILD results"
  has "$stderr" "no GPU: there is no NVIDIA driver"
}

@test "gpu.sh runs steps, and leaves a table and JSON" {
  run_shell 0 "$RK_SOURCE/scripts/gpu.sh --build $RK_BUILD --only echo,Y1 results"
  has "$output" "| Y1 launch, warm, p50 |"
  same "steps" "echo ok Y1 ok" "$(jq -r '[.steps[] | .step, .result] | join(" ")' results/steps.json)"
  same "figures of its own" true "$(jq '.table | map(select(.job == "Y1 activate, p50")) | .[0].ringkernel > 0' results/ladder.json)"
}

@test "gpu.sh tells its usage" {
  run_shell 2 "$RK_SOURCE/scripts/gpu.sh --bild $RK_BUILD"
  has "$stderr" "usage: gpu.sh"
  run_shell 2 "$RK_SOURCE/scripts/gpu.sh --build ."
  has "$stderr" "has no ringk"
}
