# pass.yaml: one kernel on the GPU that sends on what it gets.
pass_topology() {
  cat >pass.yaml <<'EOF'
ringk: 1
name: pass
messages: {N: {v: u64}}
kernels:
  pass:
    backend: cuda
    builtin: echo
    accepts: [N]
    emits: {out: N}
inputs: {in: {stdin: jsonl, message: N}}
outputs: {o: {stdout: jsonl}}
wires: {in: pass, pass.out: o}
EOF
}
