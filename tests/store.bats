#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# sync/store against the stock daemons: tests/live-store.c, one case and one fresh daemon each.

load sandbox

setup() {
  sandbox_start
}

teardown() {
  sandbox_stop
}

live() {
  sandbox_live live-store "$1"
}

@test "the kind of daemon is told" { live daemon_kind; }
@test "values with every byte" { live all_bytes; }
@test "missing and empty nodes" { live missing_and_empty; }
@test "permissions are inherited, kept and told" { live permissions; }
@test "ten thousand nodes in one directory, in every operation" { live ten_thousand; }
@test "a commit is all or nothing" { live all_or_nothing; }
@test "nothing is removed that has children, nor the root" { live removal_is_leaf_by_leaf; }
@test "an operation on what is not as expected does nothing" { live only_as_expected; }
@test "somebody else writes at the same time" { live conflicts; }
@test "watches, until the daemon dies" { live watches; }
@test "a connection that broke is opened again" { live reopens_once; }
@test "a stopped daemon costs the time limit and no more" { live hangs; }
