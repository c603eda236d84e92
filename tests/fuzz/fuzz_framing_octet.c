/* Fuzz target: arbitrary bytes as lines with a count before them. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("octet")
