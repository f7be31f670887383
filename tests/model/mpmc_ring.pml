/* device/mpmc_ring.hpp: two producers, two consumers, CAPACITY slots with turns, and a close() that
   comes at any moment. What was claimed is taken, once; what comes after the close is refused.

   MUTANT 1: close() by a load and a plain store. 2: a claim by a load and a plain store. 3: a take
   by a load and a plain store. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define CAPACITY 2
#define MESSAGES 2 /* of each producer */

#define THREADS 5 /* producers 0 and 1, consumers 2 and 3, the closer 4 */
#define TAIL 0
#define HEAD 1
#define TURN(p) (2 + (p) % CAPACITY)
#define SLOT(p) (2 + CAPACITY + (p) % CAPACITY)
#define WORDS (2 + 2 * CAPACITY)
#define CLOSED 128
#define LAP(p) ((p) / CAPACITY)

#include "store_buffers.pml"

byte claimed = 0, taken = 0, ended = 0;
byte times[2 * MESSAGES]; /* each message was taken so often */
bool closed = false;

/* The compare-and-swap of a cursor, or what stands for it in a mutant. */
inline swap(thread, word, expected, desired, done, plain) {
  if
  :: plain ->
    if
    :: mem[word] == expected -> STORE(thread, word, desired); done = true
    :: else -> done = false
    fi
  :: else ->
    atomic {
      DRAINED(thread);
      if
      :: mem[word] == expected -> mem[word] = desired; done = true
      :: else -> done = false
      fi
    }
  fi
}

proctype Producer(byte id) {
  byte k = 0, tail;
  bool done;
  do
  :: k == MESSAGES -> break
  :: k < MESSAGES ->
    tail = mem[TAIL];
    if
    :: tail & CLOSED -> break
    :: else ->
      if
      :: mem[TURN(tail)] == 2 * LAP(tail) ->
        swap(id, TAIL, tail, tail + 1, done, MUTANT == 2);
        if
        :: done ->
          claimed++;
          STORE(id, SLOT(tail), id * MESSAGES + k + 1);
          STORE(id, TURN(tail), 2 * LAP(tail) + 1);
          k++
        :: else -> skip
        fi
      :: else -> /* full, or another was faster: waits until that changes */
        (mem[TURN(tail)] == 2 * LAP(tail)) || mem[TAIL] != tail
      fi
    fi
  od;
  ended++
}

proctype Consumer(byte id) {
  byte head, message;
  bool done;
  do
  :: closed && ended == 2 && mem[HEAD] == (mem[TAIL] & 127) -> break
  :: mem[TURN(mem[HEAD])] == 2 * LAP(mem[HEAD]) + 1 ->
    head = mem[HEAD];
    if
    :: mem[TURN(head)] == 2 * LAP(head) + 1 ->
      swap(id, HEAD, head, head + 1, done, MUTANT == 3);
      if
      :: done ->
        message = mem[SLOT(head)];
        assert(message > 0);
        times[message - 1]++;
        assert(times[message - 1] == 1);
        taken++;
        STORE(id, TURN(head), 2 * (LAP(head) + 1))
      :: else -> skip
      fi
    :: else -> skip
    fi
  od;
  assert(taken <= claimed)
}

proctype Closer() {
  byte old;
#if MUTANT == 1
  old = mem[TAIL];
  STORE(4, TAIL, old | CLOSED);
#else
  FETCH_OR(4, TAIL, CLOSED, old);
#endif
  DRAINED(4);
  closed = true
}

init {
  byte i;
  atomic {
    for (i : 0 .. THREADS - 1) { run Buffer(i) }
    run Producer(0);
    run Producer(1);
    run Consumer(2);
    run Consumer(3);
    run Closer()
  }
  /* Buffers stay; everybody else has ended. */
  _nr_pr == 1 + THREADS;
  assert(claimed == taken);
  assert(mem[TAIL] & CLOSED)
}
