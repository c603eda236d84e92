/* Fuzz target: arbitrary bytes as Haraka's log. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("haraka")
