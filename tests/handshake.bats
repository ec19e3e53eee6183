#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The handshake is two files that another device model can take as they are.

load cli

setup() {
  cli_setup
  cp "$SRCDIR"/device/handshake.[ch] "$SRCDIR"/device/snapshot.[ch] \
    "$SRCDIR/examples/handshake-device.c" .
}

@test "the handshake builds alone and needs memset and nothing else" {
  local std
  for std in c99 c11; do
    "${CC:-cc}" -std=$std -pedantic -Wall -Wextra -Werror -O1 -c handshake.c
  done
  run nm -u handshake.o
  [ -z "$(printf '%s\n' "$output" | grep -vwE 'memset|memmove|memcpy|__stack_chk_fail' | tr -d ' \n')" ]
}

@test "the example: a driver told to stay away, another one let in" {
  "${CC:-cc}" -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror -o device handshake-device.c handshake.c snapshot.c
  xb_status 0 add 65535 590080 --reason test
  xb_status 0 export --format snapshot -o blacklist.img
  run ./device blacklist.img <<'END'
in 10 2
in 12 1
out 12 2 ffff
out 10 4 90100
in 10 2
out 12 1 68
out 12 1 69
out 12 1 a
out 10 2 3
END
  [ "$status" -eq 0 ]
  [ "$output" = $'49d2\n1\nd249\nguest: hi\nunplug 3: refused' ]
  run ./device blacklist.img <<'END'
out 12 2 ffff
out 10 4 90101
in 10 2
out 10 2 3
END
  [ "$output" = $'49d2\nunplug 3' ]
  run ./device /dev/null </dev/null
  [ "$status" -eq 2 ]
}
