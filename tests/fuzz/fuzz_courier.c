/* Fuzz target: arbitrary bytes as Courier's log. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("courier")
