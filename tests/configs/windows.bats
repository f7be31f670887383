load helper

@test "windows gives the last window of each sensor at the end" {
  topology windows
  own_tests windows
  # A tick may fall into the run: the sums of a sensor's windows are what is certain.
  run_shell 0 "ringk launch windows.yaml --set inputs.ticks.every=1h < $GOLDEN/input.jsonl > sums.jsonl"
  same_lines "$GOLDEN/sums.jsonl" sums.jsonl
}

@test "windows loses no reading, however often the timer ticks" {
  topology windows
  run_shell 0 "ringk launch windows.yaml --set inputs.ticks.every=1ms < <(
    while read -r line; do echo \"\$line\"; sleep 0.002; done < $GOLDEN/input.jsonl) > sums.jsonl"
  same_file "$GOLDEN/sums.jsonl" <(jq -s -c 'group_by(.sensor)[] |
    {sensor: .[0].sensor, window: 0, readings: (map(.readings) | add), sum: (map(.sum) | add)}' sums.jsonl)
}

@test "a tick closes the window of every sensor" {
  topology windows
  start windows windows.yaml --set inputs.ticks.every=1h --out sums=sums.jsonl
  run_shell 0 "ringk send --wait handled windows/readings '{\"sensor\":1,\"value\":1}' '{\"sensor\":2,\"value\":2}'"
  run_ringk 0 send --wait handled windows/ticks '{}'
  run_ringk 0 send --wait handled windows/readings '{"sensor":2,"value":5}'
  run_ringk 0 stop windows
  same_lines - sums.jsonl <<'END'
{"sensor":1,"window":0,"readings":1,"sum":1}
{"sensor":2,"window":0,"readings":1,"sum":2}
{"sensor":2,"window":1,"readings":1,"sum":5}
END
}
