/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

/*
 * What every unit test starts with: cmocka in its required order of headers, and a main that
 * runs all cases, or the one named: `tests/unit-builds ranges_merge`. UNIT_SKIP in the environment
 * names one to leave out, where it would take too long (valgrind).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#define UNIT_MAIN(tests)                                             \
	int main(int argc, char **argv)                              \
	{                                                            \
		if (argc > 1)                                        \
			cmocka_set_test_filter(argv[1]);             \
		if (getenv("UNIT_SKIP"))                             \
			cmocka_set_skip_filter(getenv("UNIT_SKIP")); \
		return cmocka_run_group_tests(tests, NULL, NULL);    \
	}

#endif
