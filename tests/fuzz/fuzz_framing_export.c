/* Fuzz target: arbitrary bytes as the journal's export format. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("export")
