/* Fuzz target: arbitrary bytes as a log of Exim. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("exim")
