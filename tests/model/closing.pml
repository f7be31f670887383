/* A kernel of two blocks is terminated while two blocks send to it: close() and terminate() of
   runtime/engine.cpp with the rings and the waking of device/. Each sender sends to both receivers in
   turns through rings of CAPACITY slots, blocks where one is full, and learns of the end by a command
   that it acknowledges between two steps; what it would send later becomes a dead letter. Then the
   terminator waits until the rings are empty and stops the receivers. At any moment of a run: every
   message is handled once, in order, or is a dead letter; nobody waits for ever.

   MUTANT 1: the terminator rings a sender's doorbell by a plain load and store. 2: it does not wait
   for the senders to acknowledge. 3: a blocked sender that is told of the end goes on waiting for
   room. */

#ifndef MUTANT
#define MUTANT 0
#endif

#define CAPACITY 1
#define MESSAGES(s) (3 - 2 * (s)) /* of each sender */

#define THREADS 5 /* senders 0 and 1, receivers 2 and 3, the terminator 4 */
#define EDGE(s, r) ((s) * 2 + (r))
#define TAIL(e) (e)
#define HEAD(e) (4 + (e))
#define WANT(e) (8 + (e))
#define SIGNAL(block) (12 + (block))
#define COMMAND(s) (16 + (s)) /* posted to sender s */
#define DONE(s) (18 + (s))    /* acknowledged */
#define STOPPED 20
#define WORDS 21

#include "store_buffers.pml"

#define SCHEDULED 1
#define ROOM 2
#define RING(s) (4 << (s))

byte handled = 0, buried = 0;

inline raise(thread, block, bits) {
  FETCH_OR(thread, SIGNAL(block), (bits) | SCHEDULED, old)
}

/* The end of Scheduler::run(): idle only if nobody has rung since the step began. */
inline rest(thread) {
  atomic {
    DRAINED(thread);
    if
    :: mem[SIGNAL(thread)] == SCHEDULED -> mem[SIGNAL(thread)] = 0
    :: else -> skip
    fi
  }
}

/* run_on(): commands first, then the step. */
inline commands(s, closed) {
  if
  :: mem[COMMAND(s)] && !mem[DONE(s)] -> closed = true; STORE(s, DONE(s), 1)
  :: else
  fi
}

proctype Sender(byte s) {
  byte sent[2];
  byte k = 0, old, r;
  bool closed = false;
scheduled:
  mem[SIGNAL(s)] & SCHEDULED;
  EXCHANGE(s, SIGNAL(s), SCHEDULED, old);
  commands(s, closed);
  do
  :: k == MESSAGES(s) -> break
  :: k < MESSAGES(s) && closed && (MUTANT != 3 || sent[k % 2] == 0) -> buried++; k++
  :: k < MESSAGES(s) && (!closed || (MUTANT == 3 && sent[k % 2] > 0)) ->
    r = k % 2;
    if
    :: sent[r] - mem[HEAD(EDGE(s, r))] < CAPACITY -> skip
    :: else ->
      EXCHANGE(s, WANT(EDGE(s, r)), 1, old);
      if
      :: sent[r] - mem[HEAD(EDGE(s, r))] < CAPACITY -> skip
      :: else -> goto blocked
      fi
    fi;
    sent[r]++;
    STORE(s, TAIL(EDGE(s, r)), sent[r]);
    raise(s, 2 + r, RING(s));
    k++;
    goto blocked /* a step ends whenever its budget does */
  od;
  /* A block that has nothing to send still answers commands. */
  do
  :: mem[STOPPED] -> break
  :: mem[COMMAND(s)] && !mem[DONE(s)] -> STORE(s, DONE(s), 1); DRAINED(s)
  od;
  goto finished;
blocked:
  if
  :: k < MESSAGES(s) && !closed && sent[k % 2] - mem[HEAD(EDGE(s, k % 2))] < CAPACITY ->
    raise(s, s, ROOM) /* more to do: enqueued again */
  :: else -> rest(s)
  fi;
  goto scheduled;
finished:
  skip
}

proctype Receiver(byte r) {
  byte taken[2];
  byte old, s, me = 2 + r;
  do
  :: mem[STOPPED] -> break
  :: mem[SIGNAL(me)] & SCHEDULED ->
    EXCHANGE(me, SIGNAL(me), SCHEDULED, old);
    for (s : 0 .. 1) {
      do
      :: mem[TAIL(EDGE(s, r))] == taken[s] -> break
      :: else ->
        taken[s]++;
        handled++;
        assert(!mem[STOPPED]);
        STORE(me, HEAD(EDGE(s, r)), taken[s]);
        EXCHANGE(me, WANT(EDGE(s, r)), 0, old);
        if
        :: old -> raise(me, s, ROOM)
        :: else -> skip
        fi
      od
    };
    rest(me)
  od
}

#define EMPTY(e) (mem[TAIL(e)] == mem[HEAD(e)])

proctype Terminator() {
  byte s, old;
  for (s : 0 .. 1) {
    EXCHANGE(4, COMMAND(s), 1, old);
#if MUTANT == 1
    if
    :: mem[SIGNAL(s)] & SCHEDULED -> skip
    :: else -> STORE(4, SIGNAL(s), SCHEDULED)
    fi;
#else
    raise(4, s, ROOM);
#endif
#if MUTANT != 2
    mem[DONE(s)];
#endif
  };
  EMPTY(0) && EMPTY(1) && EMPTY(2) && EMPTY(3);
  EXCHANGE(4, STOPPED, 1, old)
}

init {
  byte i;
  atomic {
    mem[SIGNAL(0)] = SCHEDULED;
    mem[SIGNAL(1)] = SCHEDULED;
    for (i : 0 .. THREADS - 1) { run Buffer(i) }
    run Sender(0);
    run Sender(1);
    run Receiver(0);
    run Receiver(1);
    run Terminator()
  }
  /* Buffers stay; everybody else has ended. */
  _nr_pr == 1 + THREADS;
  assert(handled + buried == MESSAGES(0) + MESSAGES(1));
  assert(EMPTY(0) && EMPTY(1) && EMPTY(2) && EMPTY(3))
}
