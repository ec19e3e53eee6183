#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo that a newcomer sees first works, and leaves nothing behind.

setup() {
  # Short: a socket's path has an end.
  export TMPDIR
  TMPDIR=$(mktemp -d /tmp/xb.XXXXXX)
}

teardown() {
  rm -rf "$TMPDIR"
}

@test "the demo shows what it promises" {
  run "$SRCDIR/tests/demo/demo.sh"
  echo "$output"
  [ "$status" -eq 0 ]
  for line in \
    'manifest 1 taken: signed by [0-9A-F]{16}, expires ' \
    '524801 = "xb1:XSA-468-8\.2"[ .]*\(r0\)' \
    '598854 = "xb1:XSA-468-9\.0\.9030"[ .]*\(r0\)' \
    'blacklisted: XSA-468-8\.2: Windows PV drivers' \
    '\(exit status 1\)' \
    '    allowed$' \
    '0x10 +word +0xd249 .*blacklisted' \
    'manifest 1: nothing new' \
    '    nothing to do$'; do
    grep -qE "$line" <<<"$output" || {
      echo "no line like: $line"
      return 1
    }
  done
  # Its directory is gone, and everything that ran there.
  [ -z "$(ls -A "$TMPDIR")" ]
  run grep -lsaF "$TMPDIR/xb-demo" /proc/[0-9]*/cmdline
  [ -z "$output" ]
}

@test "the demo does not hide a failure" {
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\nexit 2\n' >"$BATS_TEST_TMPDIR/bin/minisign"
  chmod +x "$BATS_TEST_TMPDIR/bin/minisign"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run "$SRCDIR/tests/demo/demo.sh"
  [ "$status" -ne 0 ]
  [ -z "$(ls -A "$TMPDIR")" ]
}
