/* Fuzz target: arbitrary bytes as lines of saslauthd. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("saslauthd")
