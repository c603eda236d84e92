/* Fuzz target: arbitrary bytes as a log of Sendmail. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("sendmail")
