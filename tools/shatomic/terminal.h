/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A terminal that is painted over and over, and whose keys act at once. Plain
 * escape sequences that every terminal of today knows: there is too little to do
 * for a library.
 */
#ifndef SHATOMIC_TERMINAL_H
#define SHATOMIC_TERMINAL_H

#include <stdbool.h>

/* Whether standard output is one that can be painted on. */
bool terminal_is_there(void);

/*
 * Take it; it is given back at the end of the process, by signals too, and while
 * that is stopped.
 */
void terminal_begin(void);

/* How many lines and columns it has. */
void terminal_size(unsigned int *lines, unsigned int *columns);

/*
 * Begin to paint; erase the rest of a line, behind which a newline may go; and
 * all that is below.
 */
void terminal_home(void);
void terminal_end_line(void);
void terminal_end_page(void);

/*
 * Wait so many seconds, or until a key is hit, the terminal's size has changed,
 * or the process goes on after a stop. False when it is time to end: by the key q
 * or a signal.
 */
bool terminal_wait(double seconds);

#endif /* SHATOMIC_TERMINAL_H */
