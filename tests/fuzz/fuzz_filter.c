/* Fuzz target: arbitrary bytes as lines of filters. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("filter")
