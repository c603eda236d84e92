/* Fuzz target: arbitrary bytes as lines as docker and kubectl print them. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("console")
