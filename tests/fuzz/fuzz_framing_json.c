/* Fuzz target: arbitrary bytes as JSON lines. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("json")
