/* Memory as x86 and the release stores of the code have it: a plain store waits in its thread's
   store buffer, in order, while later loads of the thread already look at memory; a
   read-modify-write waits until the buffer is empty. WORDS and THREADS are defined before. */

byte mem[WORDS];
chan buffer[THREADS] = [2] of { byte, byte };

/* The hardware writes the oldest store back whenever it likes. */
proctype Buffer(byte thread) {
  byte word, value;
end:
  do
  :: atomic { buffer[thread]?word, value -> mem[word] = value }
  od
}

#define STORE(thread, word, value) buffer[thread]!word, value
#define DRAINED(thread) empty(buffer[thread])

#define EXCHANGE(thread, word, value, old) \
  atomic { DRAINED(thread) -> old = mem[word]; mem[word] = value }
#define FETCH_OR(thread, word, bits, old) \
  atomic { DRAINED(thread) -> old = mem[word]; mem[word] = old | (bits) }
#define FETCH_ADD(thread, word, n) atomic { DRAINED(thread) -> mem[word] = mem[word] + (n) }

/* What a mutant does in place of a read-modify-write: a load and a store that waits. */
#define PLAIN_EXCHANGE(thread, word, value, old) old = mem[word]; STORE(thread, word, value)
