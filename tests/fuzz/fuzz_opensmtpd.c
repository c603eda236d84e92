/* Fuzz target: arbitrary bytes as a log of OpenSMTPD. */
#include "tests/fuzz/log_target.h"

LOG_TARGET("opensmtpd")
