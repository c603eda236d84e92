/* Fuzz target: arbitrary bytes as Dovecot's log. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("dovecot")
