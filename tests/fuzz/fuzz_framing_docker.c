/* Fuzz target: arbitrary bytes as Docker's JSON files. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("docker")
