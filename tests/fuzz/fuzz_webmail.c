/* Fuzz target: arbitrary bytes as webmail logs. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("webmail")
