# Files of buffers that are not there, do not fit or cannot be written.
load helper

# counter BUFFER: a topology with this buffer, which counts the messages in it.
counter() {
  cat >counter.yaml <<END
ringk: 1
name: counter
messages:
  Ping: {n: u32}
kernels:
  count:
    accepts: [Ping]
    buffers:
      seen: $1
    code: |
      RK_HANDLER void on_message(Context& ctx, const Ping& ping) {
        ++ctx.buffer(buf::seen)[0];
        if (ping.n == 13) ctx.fail("thirteen");
      }
inputs:
  pings: {stdin: jsonl, message: Ping}
wires:
  pings: count
END
}
# counted FILE: the number in it.
counted() { tail -c 4 "$1" | od -An -tu4 | tr -d ' '; }

@test "a run that fails messages saves its buffers, and one that continues them counts on" {
  counter '{type: "u32[1]", save: seen.npy}'
  run_shell 1 "printf '{\"n\":%s}\n' 12 13 14 | ringk launch counter.yaml"
  same "saved" 3 "$(counted seen.npy)"
  run_shell 0 "echo '{\"n\":1}' | ringk launch counter.yaml --set kernels.count.buffers.seen.load=seen.npy"
  same "saved again" 4 "$(counted seen.npy)"
  same "no other file" "counter.dead.jsonl counter.yaml seen.npy" "$(echo *)"
}

@test "a file to load that is not there ends a launch with 66, and a check with 0" {
  counter '{type: "u32[1]", load: in.npy, save: out.npy}'
  run_ringk 0 check counter.yaml
  run_ringk 66 launch counter.yaml </dev/null
  has "$stderr" "buffer 'seen': in.npy no such file"
  [ ! -e out.npy ]
  printf 'tests:\n  - {name: none, expect: {count: {count: 0}}}\n' >>counter.yaml
  run_ringk 66 test counter.yaml
  has "$stderr" "count: buffer 'seen': in.npy no such file"
}

@test "a file that holds something else is an error of the topology, with its place" {
  counter '{type: "u32[1]", load: in.npy}'
  echo "no array" >in.npy
  run_ringk 78 launch counter.yaml </dev/null
  has "$stderr" "counter.yaml:9:36: error: buffers.seen: in.npy is no .npy file: write one with numpy.save"
}

@test "a file that cannot be saved ends a launch with 74 before it begins" {
  counter '{type: "u32[1]", save: nowhere/out.npy}'
  run_ringk 74 launch counter.yaml </dev/null
  has "$stderr" "nowhere/out.npy: buffer 'seen' of 'count': cannot be written: No such file or directory"
}

@test "a file that cannot be saved at the end ends a run with 74, and leaves the old one" {
  counter '{type: "u32[1]", save: there/out.npy}'
  mkdir there
  start counter counter.yaml
  run_ringk 0 send --wait handled counter/pings '{"n":1}'
  rmdir there
  run_ringk 74 stop counter
  mkdir there
  start counter counter.yaml
  rmdir there
  run_ringk 74 stop counter/count
  has "$stderr" "buffer 'seen' is not saved: there/out.npy cannot be written"
  run_ringk 74 stop counter
}

@test "more than the machine has is told with the figures" {
  counter '"u32[1]"'
  for i in 0 1 2 3 4 5 6 7; do
    sed -i "s/^      seen: .*/&\n      more$i: u8[1099511627776]/" counter.yaml
  done
  run_ringk 69 launch counter.yaml </dev/null
  has "$stderr" "count: its buffers take 8796093022212 bytes, and this machine has "
  run_ringk 78 check counter.yaml --set "kernels.count.buffers.more7=u8[1099511627777]"
  has "$output$stderr" "u8[1099511627777] takes 1099511627777 bytes, and a buffer may have 1099511627776"
}

@test "schema and effective topology know buffers" {
  counter '"u32[1]"'
  run_ringk 0 check --schema
  same "definition" '["type","load","save"]' "$(json '.definitions.buffer.properties | keys_unsorted | tojson')"
  run_ringk 0 check --print counter.yaml
  has "$output" 'seen: {type: "u32[1]"}  # 4 bytes'
}
