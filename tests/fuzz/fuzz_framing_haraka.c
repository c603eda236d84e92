/* Fuzz target: arbitrary bytes as Haraka's log in JSON and logfmt. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("haraka")
