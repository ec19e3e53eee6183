#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader of blacklist images is two files that need nothing else.

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  cp "$SRCDIR"/device/snapshot.[ch] "$SRCDIR/examples/snapshot-lookup.c" .
}

@test "the example and the reader build alone, as C99 and C11" {
  local std
  for std in c99 c11; do
    "${CC:-cc}" -std=$std -D_GNU_SOURCE -Wall -Wextra -Werror -o lookup snapshot-lookup.c snapshot.c
  done
  run ./lookup "$SRCDIR/tests/data/snapshot/1.img" 65535 590080
  [ "$status" -eq 0 ]
  [ "$output" = blacklisted ]
  run ./lookup "$SRCDIR/tests/data/snapshot/1-with-unknown.img" 65535 590081
  [ "$output" = allowed ]
  run ./lookup "$SRCDIR/tests/data/snapshot/1.img" 2 1
  [ "$output" = "unknown product" ]
}

@test "the example refuses what is no image" {
  "${CC:-cc}" -o lookup snapshot-lookup.c snapshot.c
  head -c 100 "$SRCDIR/tests/data/snapshot/1.img" >cut.img
  run ./lookup cut.img 1 1
  [ "$status" -eq 2 ]
  [[ $output == *"its size is not that of its memory"* ]]
  : >empty.img
  run ./lookup empty.img 1 1
  [ "$status" -eq 2 ]
}
