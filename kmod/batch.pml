/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of who owns a batch: batch.c's caller, its workers, the signal that
 * kills the caller, CPUs that go off, and io_uring before it (uring.c). Spin
 * tries each order of their steps: make test-model.
 *
 * What stands for what: a proctype is a thread; an inline the function of that
 * name; each line that reads or writes a variable that others see is one step.
 *
 * What it leaves out:
 *  - rows: a piece is CHUNKS steps, before each of which stop is looked at;
 *    plans and lanes only change what a piece is;
 *  - what a row does: it touches the caller's memory, or fails (EFAULT);
 *  - the order of memory accesses, which are seen by all in one order here. The
 *    code's counters are fully ordered atomics, and the completion takes a
 *    lock; stop is only a hint;
 *  - the second caller: batches share nothing but counts (limits.c).
 *
 * What it assumes of the kernel: cancel_work_sync() takes a queued item back or
 * waits for the one that runs; a killable wait ends when either comes, and
 * succeeds when both have; mmget_not_zero() fails when the last user has gone;
 * io_uring gives a command that was sent back to one worker, or cancels it.
 */
#ifndef WORKERS
#define WORKERS 2	/* besides the caller */
#endif
#ifndef PIECES
#define PIECES 2
#endif
#ifndef CHUNKS
#define CHUNKS 2	/* of a piece */
#endif
#define NO_ROW 255

mtype = { idle, queued, running };		/* a work item */

/* struct batch */
byte refs;
byte next_piece;
byte pieces_left = PIECES;
bool done;
bool stop;
byte error_row = NO_ROW;

mtype work[WORKERS] = idle;
/* Users of the caller's address space: its process, and workers. */
byte mm_users = 1;
bool killed;
bool exited;
bool returned;
bool by_uring;

/* What is to be shown. */
bool begun;
byte times_freed;
byte times_claimed[PIECES];
byte times_run[PIECES * CHUNKS];
byte times_completed;
byte first_failed = NO_ROW;

/* Any use of the batch. */
inline use_batch()
{
	assert(refs > 0 && !times_freed)
}

inline batch_put()
{
	atomic {
		use_batch();
		refs--;
		last = refs == 0
	}
	if
	:: last -> times_freed++
	:: else
	fi
}

/* Under error_lock. */
inline fail_batch(row)
{
	atomic {
		use_batch();
		if
		:: row < error_row -> error_row = row
		:: else
		fi
	}
	stop = true
}

inline note_failure(row)
{
	if
	:: row < first_failed -> first_failed = row
	:: else
	fi
}

inline touch_callers_memory()
{
	assert(mm_users > 0);
	assert(!returned || killed)
}

inline run_piece(is_caller)
{
	chunk = 0;
	do
	:: chunk < CHUNKS ->
		/* Only the caller can see its signals. */
		stop = stop || (is_caller && killed);
		atomic {
			use_batch();
			if
			:: stop -> break
			:: else
			fi
		}
		atomic {
			touch_callers_memory();
			times_run[piece * CHUNKS + chunk]++;
			if
			:: failed = false
			:: failed = true; note_failure(piece * CHUNKS + chunk)
			fi
		}
		if
		:: failed -> fail_batch(piece * CHUNKS + chunk); break
		:: else
		fi;
		chunk++
	:: else -> break
	od
}

inline take_piece()
{
	atomic {
		use_batch();
		piece = next_piece;
		next_piece++;
		if
		:: piece < PIECES -> times_claimed[piece]++
		:: else
		fi
	}
}

inline finish_piece()
{
	atomic {
		use_batch();
		assert(pieces_left > 0);
		pieces_left--;
		last = pieces_left == 0
	}
	if
	:: last -> atomic { use_batch(); done = true }
	:: else
	fi
}

/* A CPU may go off at any time, and its work then goes on elsewhere. */
inline look_for_cpu()
{
	if
	:: true
	:: on_its_cpu = false
	fi
}

proctype worker(byte me)
{
	bool last, failed, reachable, on_its_cpu = true;
	byte piece, chunk;

	/* It may be long in beginning: for ever, as far as the caller knows. */
	if
	:: atomic { work[me] == queued -> work[me] = running }
	:: goto off
	fi;
	look_for_cpu();
	if
	:: !on_its_cpu -> goto out
	:: else
	fi;
	take_piece();
	if
	:: piece >= PIECES -> goto out
	:: else
	fi;
	atomic {
		/* mmget_not_zero() */
		reachable = mm_users > 0;
		mm_users = mm_users + reachable
	}
	do
	:: true ->
		if
		:: reachable -> run_piece(false)
		:: else -> fail_batch(NO_ROW - 1)
		fi;
		finish_piece();
		look_for_cpu();
		if
		:: !on_its_cpu -> break
		:: else
		fi;
		take_piece();
		if
		:: piece >= PIECES -> break
		:: else
		fi
	od;
	if
	:: reachable -> mm_users--
	:: else
	fi;
out:
	batch_put();
	work[me] = idle;
off:
	skip
}

inline queue_workers()
{
	i = 0;
	do
	:: i < WORKERS ->
		if
		/* As many as there are other CPUs now. */
		:: break
		:: true ->
			atomic { use_batch(); refs++ }
			work[i] = queued;
			i++
		fi
	:: else -> break
	od
}

inline dismiss_workers()
{
	i = 0;
	do
	:: i < WORKERS ->
		/* cancel_work_sync() */
		if
		:: atomic { work[i] == queued -> work[i] = idle };
			atomic {
				use_batch();
				refs--;
				/* The caller's own is left. */
				assert(refs > 0)
			}
		:: work[i] == idle
		fi;
		i++
	:: else -> break
	od
}

/* What ends the call: the return of ioctl, or the completion. */
inline complete_call()
{
	returned = true;
	times_completed++
}

proctype caller()
{
	bool last, failed, interrupted;
	byte piece, chunk, i;

	if
	:: by_uring ->
		/* Done as it is submitted, or sent back for a worker. */
		if
		:: true
		:: true ->
			/* Which may begin, or be cancelled before. */
			if
			:: true
			:: killed -> complete_call(); goto gone
			fi
		fi
	:: else
	fi;

	/* shatomic_batch_run() */
	refs = 1;
	begun = true;
	queue_workers();
	do
	:: true ->
		take_piece();
		if
		:: piece >= PIECES -> break
		:: else
		fi;
		run_piece(true);
		finish_piece()
	od;
	/* wait_for_completion_killable() */
	if
	:: done
	:: atomic { killed && !done -> interrupted = true }
	fi;
	if
	:: interrupted -> stop = true
	:: else ->
		dismiss_workers();
		/* Nobody else is left: all has been done, or failed. */
		assert(refs == 1 && error_row == first_failed);
		assert(next_piece >= PIECES);
		for (i : 0 .. PIECES * CHUNKS - 1) {
			assert(times_run[i] == 1 ||
			       (times_run[i] == 0 && (killed || error_row != NO_ROW)))
		}
	fi;
	batch_put();
	complete_call();
gone:
	/* The process may go now, and does when it was killed. */
	if
	:: killed -> atomic { mm_users--; exited = true }
	:: else
	fi
}

proctype killer()
{
	if
	:: true
	:: killed = true
	fi
}

init {
	byte i, left;

	atomic {
		if
		:: by_uring = true
		:: true
		fi;
		run caller();
		run killer();
		for (i : 0 .. WORKERS - 1) {
			run worker(i)
		}
	}

	/* All that can end has ended: only work that nobody began is left. */
	_nr_pr == 1;
	assert(returned && times_completed == 1);
	for (i : 0 .. WORKERS - 1) {
		if
		:: work[i] == queued -> left++
		:: else
		fi
	}
	assert(refs == left);
	assert(times_freed == (begun && !left));
	assert(mm_users == !exited);
	for (i : 0 .. PIECES - 1) {
		assert(times_claimed[i] <= 1)
	}
	for (i : 0 .. PIECES * CHUNKS - 1) {
		assert(times_run[i] <= 1)
	}
}
