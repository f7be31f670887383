# Draws what plot.py left in `folder` into `picture`.
set terminal svg size 1200,760 font "sans-serif,13" background rgb "white"
set output picture
set multiplot layout 2,3 title heading
set logscale x
set grid
set key bottom left
set style data errorlines
set bars small
set pointsize 0.5
set yrange [0:*]
set format y "%.0f M"
set ylabel "messages/s"

file(sweep, series) = folder . "/" . sweep . "." . series . ".dat"
million = 1e-6

array name[5] = ["payload", "kernels", "blocks", "capacity", "types"]
array label[5] = ["payload, bytes", "kernels in a row (all of them together)", \
                  "blocks of the middle kernel", "queue capacity, messages", "message types"]
do for [i=1:5] {
  set xlabel label[i]
  base = name[i] eq "kernels" ? 10 : 2
  set logscale x base
  set format x (base == 10 ? "10^{%L}" : "%.0f")
  set ylabel name[i] eq "kernels" ? "messages handled/s" : "messages/s"
  plot for [workers in "1_worker 2_workers"] file(name[i], workers) \
    using 1:($2*million):($3*million):($4*million) title (workers eq "1_worker" ? "1 worker" : "2 workers")
}

unset logscale x
set logscale y
set yrange [*:*]
set xrange [0:100]
set format x "%.0f %%"
set format y "%g"
set xlabel "load of configs/fraud, of its capacity"
set ylabel "latency, us"
set key top left
plot file("load", "p50") title "p50", file("load", "p99") title "p99", file("load", "p99.9") title "p99.9"
unset multiplot
