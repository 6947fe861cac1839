// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The typed operations as functions, for languages that load the library: what
 * typed.h defines inline, for once not inline.
 */
#define SHATOMIC_SEQ_CST_

/* Each is its own prototype. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC visibility push(default)
#include "../include/shatomic/typed.h"
#pragma GCC visibility pop
