/* Fuzz target: arbitrary bytes as qmail's log. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("qmail")
