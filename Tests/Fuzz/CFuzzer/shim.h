// libFuzzer's entry for programs with a main of their own (LLVM's docs/LibFuzzer.rst).

#pragma once

#include <stddef.h>
#include <stdint.h>

extern int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*test)(const uint8_t *data, size_t size));
