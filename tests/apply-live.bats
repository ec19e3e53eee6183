#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# sync/apply against the stock daemons: tests/live-apply.c, one case and one fresh daemon each.

load sandbox

setup() {
  sandbox_start
}

teardown() {
  sandbox_stop
}

live() {
  sandbox_live live-apply "$1"
}

@test "the first apply makes the tree, the second writes nothing" { live first_and_again; }
@test "every way in which a tree can differ" { live every_way_to_differ; }
@test "readable by dom0 or by all" { live readable_by_whom; }
@test "ten thousand nodes, and a wanted one is never missing" { live ten_thousand; }
@test "somebody else writes at the same time" { live somebody_else_writes; }
@test "what somebody else wrote after the plan is left alone" { live somebody_else_was_first; }
@test "killed after every batch, completed by the next run" { live killed_anywhere; }
@test "the daemon dies half way and comes back empty" { live daemon_dies_half_way; }
@test "the daemon hangs half way" { live daemon_hangs_half_way; }
@test "digests tell registry and tree apart" { live digests; }
