#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# device/mirror against the stock daemons: tests/live-mirror.c, one case and one fresh daemon each.

load sandbox

setup() {
  sandbox_start
}

teardown() {
  sandbox_stop
}

live() {
  sandbox_live live-mirror "$1"
}

@test "what is read in parts is what is read whole" { live parts_are_the_whole; }
@test "more changes than are worth remembering" { live many_changes; }
@test "only what changed is read again" { live only_what_changed; }
@test "events of others" { live others_business; }
