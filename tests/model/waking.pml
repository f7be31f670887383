/* Blocks that wake each other: device/spsc_ring.hpp, raise() of device/block.hpp, ask_for_room()
   and room_was_wanted() of device/ring.hpp, make_room() of device/step.hpp, and
   Scheduler::run(). Two senders, two receivers, a ring of CAPACITY slots from each to each. Every
   message arrives once, in order, and every block ends: a lost wake-up is a deadlock.

   MUTANT 1: a sender asks for room by a plain store. 2: a receiver looks whether room was wanted
   by a plain load. 3: the doorbell is not rung where the receiver seems to be scheduled. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define CAPACITY 1
#define MESSAGES(s) (3 - (s)) /* of each sender, to the receivers in turns */

#define THREADS 4 /* senders 0 and 1, receivers 2 and 3 */
#define EDGE(s, r) ((s) * 2 + (r))
#define TAIL(e) (e)
#define HEAD(e) (4 + (e))
#define WANT(e) (8 + (e))
#define SLOT(e) (12 + (e))
#define SIGNAL(block) (16 + (block))
#define WORDS 20

#include "store_buffers.pml"

#define SCHEDULED 1
#define ROOM 2
#define RING(s) (4 << (s))

/* raise(): the block that was idle is put into a run queue, which here is SCHEDULED itself. */
inline raise(thread, block, bits) {
#if MUTANT == 3
  if
  :: (mem[SIGNAL(block)] & SCHEDULED) -> STORE(thread, SIGNAL(block), mem[SIGNAL(block)] | (bits))
  :: else -> FETCH_OR(thread, SIGNAL(block), (bits) | SCHEDULED, old)
  fi
#else
  FETCH_OR(thread, SIGNAL(block), (bits) | SCHEDULED, old)
#endif
}

/* The end of Scheduler::run(): idle only if nobody has rung since the step began. */
inline rest(thread, idle) {
  atomic {
    DRAINED(thread);
    if
    :: mem[SIGNAL(thread)] == SCHEDULED -> mem[SIGNAL(thread)] = 0; idle = true
    :: else -> idle = false
    fi
  }
}

proctype Sender(byte s) {
  byte sent[2];
  byte k = 0, old, r;
  bool idle;
scheduled:
  mem[SIGNAL(s)] & SCHEDULED;
  EXCHANGE(s, SIGNAL(s), SCHEDULED, old);
  do
  :: k == MESSAGES(s) -> break
  :: k < MESSAGES(s) ->
    r = k % 2;
    if
    :: sent[r] - mem[HEAD(EDGE(s, r))] < CAPACITY -> skip
    :: else ->
#if MUTANT == 1
      STORE(s, WANT(EDGE(s, r)), 1);
#else
      EXCHANGE(s, WANT(EDGE(s, r)), 1, old);
#endif
      if
      :: sent[r] - mem[HEAD(EDGE(s, r))] < CAPACITY -> skip
      :: else -> goto blocked
      fi
    fi;
    STORE(s, SLOT(EDGE(s, r)), sent[r] + 1);
    sent[r]++;
    STORE(s, TAIL(EDGE(s, r)), sent[r]);
    raise(s, 2 + r, RING(s));
    k++
  od;
  goto finished;
blocked:
  rest(s, idle);
  goto scheduled;
finished:
  skip
}

proctype Receiver(byte r) {
  byte taken[2];
  byte pending = 0, old, s, left, me = 2 + r;
  bool idle;
  left = (MESSAGES(0) + 1 - r) / 2 + (MESSAGES(1) + 1 - r) / 2;
  do
  :: left == 0 -> break
  :: left > 0 ->
    mem[SIGNAL(me)] & SCHEDULED;
    EXCHANGE(me, SIGNAL(me), SCHEDULED, old);
    pending = pending | (old & (RING(0) | RING(1)));
    do
    :: pending == 0 -> break
    :: pending & RING(0) -> s = 0; goto look
    :: pending & RING(1) -> s = 1;
look:
      if
      :: mem[TAIL(EDGE(s, r))] == taken[s] -> pending = pending & ~RING(s)
      :: else ->
        assert(mem[SLOT(EDGE(s, r))] == taken[s] + 1);
        taken[s]++;
        left--;
        STORE(me, HEAD(EDGE(s, r)), taken[s]);
#if MUTANT == 2
        PLAIN_EXCHANGE(me, WANT(EDGE(s, r)), 0, old);
#else
        EXCHANGE(me, WANT(EDGE(s, r)), 0, old);
#endif
        if
        :: old -> raise(me, s, ROOM)
        :: else -> skip
        fi
      fi
    od;
    rest(me, idle)
  od
}

init {
  atomic {
    mem[SIGNAL(0)] = SCHEDULED;
    mem[SIGNAL(1)] = SCHEDULED;
    run Buffer(0);
    run Buffer(1);
    run Buffer(2);
    run Buffer(3);
    run Sender(0);
    run Sender(1);
    run Receiver(0);
    run Receiver(1)
  }
}
