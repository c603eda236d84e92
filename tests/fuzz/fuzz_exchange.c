/* Fuzz target: arbitrary bytes as Exchange's logs. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("exchange")
