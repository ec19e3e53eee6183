#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The reader of blacklist images is two files that need nothing else.

load cli

setup() {
  cli_setup
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

@test "export --format snapshot: an image of what is published" {
  xb_status 0 add 65535 xen-win:8.1.0..8.2.0 --reason one
  xb_status 0 add 65535 linux-kvc8:5.10.* --reason two
  xb_status 0 add 205 20503,20505 --reason three --mode audit
  xb_status 0 add 1 0x80000000..0x8fffffff --reason four --as-range
  xb_status 0 exception add 65535 524800 --reason five --owner me
  xb_status 0 export --format snapshot -o blacklist.img
  "${CC:-cc}" -o lookup snapshot-lookup.c snapshot.c
  while read -r product build want; do
    echo "$product $build"
    [ "$(./lookup blacklist.img "$product" "$build")" = "$want" ]
  done <<'END'
65535 524544 blacklisted
65535 524543 allowed
65535 524799 blacklisted
65535 524800 allowed
65535 84541440 blacklisted
65535 84541441 allowed
65535 84606720 blacklisted
65535 84606976 allowed
205 20503 allowed
1 2147483647 allowed
1 2147483648 blacklisted
1 2415919103 blacklisted
1 2415919104 allowed
7 1 unknown product
END
  xb_run export --format snapshot | cmp - blacklist.img
  run_json 0 export --format snapshot -o again.img
  [ "$(json .format)" = '"snapshot"' ]
  cmp blacklist.img again.img
  xb_status 64 --json export --format snapshot
}
