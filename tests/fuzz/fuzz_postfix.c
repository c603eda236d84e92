/* Fuzz target: arbitrary bytes as a mail log of any format. */
#include "tests/fuzz/log_target.h"

LOG_TARGET(NULL)
