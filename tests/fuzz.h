/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/*
 * A fuzzer is one file tests/fuzz-NAME.c with this function and a corpus in tests/corpus/NAME. It
 * may abort(), by assert() or by a sanitizer, and nothing else. `make check` replays the corpus;
 * configured with --enable-fuzzing CC=clang it is a libFuzzer program:
 * tests/fuzz-NAME -max_total_time=60 NEW-CORPUS tests/corpus/NAME.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif
