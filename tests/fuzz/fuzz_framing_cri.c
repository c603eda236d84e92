/* Fuzz target: arbitrary bytes as lines as containerd writes them. */
#include "tests/fuzz/log_target.h"

FRAMING_TARGET("cri")
