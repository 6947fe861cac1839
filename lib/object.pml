/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model of how objects change: byte strings, whose size and content share one
 * word, and values that the machine has no operation for (object.c,
 * object_word.c). Spin tries each order of the steps of several threads: make
 * test-model.
 *
 * What stands for what: a proctype is one call of the library by a thread, an
 * inline the function of that name; each atomic step is one operation of
 * shatomic_run_single() on the word.
 *
 * What it leaves out: where the word is, its width, and offsets. A byte string
 * has up to 2 bytes, of 3 values each. A float is a small whole number. Single
 * operations are taken to be sequentially consistent, which
 * tests/concurrency.c is about.
 *
 * An operation is linearizable when there is one instant in its call at which it
 * did all that it says it did. That instant is known here: the last operation
 * on the word. So what a plain, sequential object would have answered then is
 * kept (linearize_...), and compared with what the call returns.
 */

/* Bytes: a word of size and content. */
#define WORD(size, first, second) ((size) * 9 + (first) * 3 + (second))
#define SIZE(word) ((word) / 9)
#define EMPTY WORD(0, 0, 0)
#define A WORD(1, 1, 0)
#define BB WORD(2, 2, 2)
/* No byte string: there is something beyond its size. */
#define MALFORMED WORD(0, 1, 0)
#define IS_BYTES(w) ((w) == EMPTY || (w) == A || (w) == BB)
/* A byte beyond the size, which decode_bytes() refuses. */
#define DECODES(w) (!(SIZE(w) == 0 && (w) != EMPTY) && \
		    !(SIZE(w) == 1 && (w) % 3 != 0))

/* A bool: 0 is false, and every other byte true. */
#define FALSE 0
#define TRUE 1
#define OTHER_TRUE 2

byte word;
/* What is to be shown: how many calls succeeded, and added. */
byte added;

/* Operations of the machine, at each of which a call may take effect. */
inline run_get(result)
{
	result = word
}

inline run_set(operand)
{
	word = operand
}

inline run_compare_and_set_value(operand, comparand, result, status)
{
	result = word;
	status = word == comparand;
	if
	:: status -> word = operand
	:: else
	fi
}

/*
 * Bytes.
 */

inline check_bytes(w)
{
	/* Size and content were set by one call. */
	assert(IS_BYTES(w))
}

proctype set_bytes(byte raw)
{
	run_set(raw)
}

/* Memory is everybody's: a program may store what is no byte string. */
proctype store_malformed()
{
	run_set(MALFORMED)
}

proctype get_bytes()
{
	byte seen;

	run_get(seen);
	if
	:: DECODES(seen) -> check_bytes(seen)
	:: else -> assert(seen == MALFORMED)
	fi
}

/* shatomic_object_get_and_set(): exchange_bytes() */
proctype exchange_bytes(byte raw)
{
	byte seen, now, replaced;
	bool held;

	run_get(seen);
	do
	:: !DECODES(seen) -> goto refused
	:: else ->
		atomic {
			replaced = word;
			run_compare_and_set_value(raw, seen, now, held)
		}
		if
		:: held -> break
		:: else -> seen = now
		fi
	od;
	check_bytes(seen);
	/* What it says was there was there, and no word but a good one went. */
	assert(replaced == seen);
refused:
	skip
}

/* store_from_other_types(): what was seen goes to another word, as wide. */
proctype store_content()
{
	byte seen;

	run_get(seen);
	if
	:: DECODES(seen) -> check_bytes(WORD(SIZE(seen), (seen / 3) % 3, seen % 3))
	:: else
	fi
}

/*
 * Comparing: bytes by the word, bools by what the word means.
 */

#define ARE_EQUAL(a, b) (is_bool -> (!(a)) == (!(b)) : (a) == (b))

proctype compare_and_set(bool is_bool; byte raw; byte wanted)
{
	byte seen, expected = wanted, linearized;
	bool held, linearized_held;

	do
	:: true ->
		atomic {
			linearized = word;
			linearized_held = ARE_EQUAL(word, wanted);
			run_compare_and_set_value(raw, expected, seen, held)
		}
		if
		:: held -> break
		:: else -> expected = seen
		fi;
		if
		:: ARE_EQUAL(expected, wanted)
		:: else -> break
		fi
	od;
	assert(held == linearized_held);
	assert(seen == linearized)
}

proctype set_bool(byte raw)
{
	run_set(raw)
}

/*
 * Computing: update(), here a float's addition of 1.
 */

proctype add()
{
	byte seen, now, result;
	bool held;

	run_get(seen);
	do
	:: true ->
		atomic {
			run_compare_and_set_value(seen + 1, seen, now, held);
			if
			:: held -> added++; result = added
			:: else
			fi
		}
		if
		:: held -> break
		:: else -> seen = now
		fi
	od;
	/* No other call's addition was lost, or is in the result twice. */
	assert(seen + 1 == result)
}

init {
	byte i;
	bool adds;

	if
	:: atomic {
			/* Byte strings. */
			word = A;
			run set_bytes(BB);
			run exchange_bytes(EMPTY);
			run exchange_bytes(A);
			run compare_and_set(false, BB, A);
			run get_bytes();
			run store_content();
			if
			:: run store_malformed()
			:: true
			fi
		}
	:: atomic {
			/* Bools. */
			select(i : FALSE .. OTHER_TRUE);
			word = i;
			run compare_and_set(true, FALSE, TRUE);
			run compare_and_set(true, TRUE, FALSE);
			run compare_and_set(true, TRUE, TRUE);
			run set_bool(OTHER_TRUE);
			run set_bool(TRUE)
		}
	:: atomic {
			/* Floats. */
			adds = true;
			run add();
			run add();
			run add()
		}
	fi;
	_nr_pr == 1;
	assert(!adds || (word == 3 && added == 3))
}
