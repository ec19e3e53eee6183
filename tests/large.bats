#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# A manifest of 100,000 entries, most of them published as ranges: it syncs, in bounded memory, and
# what it publishes is what it says.

bats_require_minimum_version 1.5.0
load sandbox
load origin

setup() {
  cd "$BATS_TEST_TMPDIR" || return 1
  XB=$BUILDDIR/xenblacklist
  export XENBLACKLIST_REGISTRY=registry.db XENBLACKLIST_CONFIG=xenblacklist.conf
  export ORIGIN_DIR=$PWD
  mkdir keys.d
  origin_key big
  cp big.pub keys.d
  cat >xenblacklist.conf <<END
[upstream]
keys = keys.d
max-size = 64 MiB
[publish]
expand-limit = 200000
total-limit = 200000
[policy]
max-new = 10000000
END
}

teardown() {
  sandbox_stop
}

@test "a manifest of 100,000 entries" {
  sandbox_start
  "$SRCDIR/tests/bench/big-manifest" 100000 >big.json
  origin_sign big.json big
  run --separate-stderr "$SRCDIR/tests/bench/peak-memory" "$XB" sync --from big.json
  echo "$output" "$stderr"
  [ "$status" -eq 0 ]
  grep -q 'entries: 100000 added, 0 changed, 0 removed' <<<"$stderr"
  bytes=$(stat -c %s big.json)
  echo "peak memory $output bytes, manifest $bytes bytes"
  # The sanitizers multiply what a program takes; the bound is the program's.
  grep -q 'sanitize=address' "$BUILDDIR/config.status" || [ "$output" -lt "$((10 * bytes))" ]

  # Entry 100 is one build with a node; the 99 entries after it are ranges without gaps.
  run -0 xenstore-read /mh/driver-blacklist/experimental/800
  [ "$output" = xb1:bench-000100 ]
  run -1 "$XB" check --live 65535 1599
  [[ "$output" == blacklisted* ]] || false
  run -0 "$XB" check --live 65535 801
}
