/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A model of who has a CPU's room: solo.c's take_room(), extend_room() and
 * give_back(), by tasks that move between CPUs whenever they like. Spin tries
 * each order of their steps: make test-model.
 *
 * What it leaves out: what is done with a room, but for the room's being grown
 * before; and the order of memory accesses, which are seen by all in one order
 * here. In the code the store that gives a room back is a release, and the
 * exchange that takes it a full barrier: what the last user wrote to the room is
 * seen by the next.
 */
#define CPUS 2
#define TASKS 3
#define BATCHES 2	/* of a task */
#define NO_ROOM CPUS

/* cpu_room; a room's number is that of its home. */
byte cpu_room[CPUS];
/* What is to be shown. */
byte users[CPUS];

inline choose_cpu()
{
	select(cpu : 0 .. CPUS - 1)
}

inline take_room()
{
	choose_cpu();
	if
	:: cpu_room[cpu] == NO_ROOM -> room = NO_ROOM
	:: else ->
		/* xchg(); somebody may have been faster. */
		atomic { room = cpu_room[cpu]; cpu_room[cpu] = NO_ROOM }
	fi
}

inline use_room()
{
	users[room]++;
	assert(users[room] == 1);
	users[room]--
}

inline give_back()
{
	atomic {
		/* Nobody else's room is there to be lost. */
		assert(cpu_room[room] == NO_ROOM);
		cpu_room[room] = room
	}
}

proctype task()
{
	byte cpu, room, batch;

	for (batch : 1 .. BATCHES) {
		take_room();
		if
		/* It goes the way of all other batches. */
		:: room == NO_ROOM
		:: else ->
			if
			/* extend_room() found no memory. */
			:: true
			:: true -> use_room()
			fi;
			give_back()
		fi
	}
}

init {
	byte i;

	atomic {
		for (i : 0 .. CPUS - 1) {
			cpu_room[i] = i
		}
		for (i : 1 .. TASKS) {
			run task()
		}
	}
	/* shatomic_solo_exit() frees those that are home. */
	_nr_pr == 1;
	for (i : 0 .. CPUS - 1) {
		assert(cpu_room[i] == i && !users[i])
	}
}
