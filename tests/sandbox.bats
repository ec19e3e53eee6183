#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# The sandbox itself: a stock daemon in a directory of its own, several at once, nothing left.

load sandbox

teardown() {
  sandbox_stop
}

@test "the daemon that was asked for runs, and only in its directory" {
  sandbox_start
  [[ $(readlink "/proc/$(sandbox_pid)/exe") == */bin/$XB_DAEMON ]]
  xenstore-write /a b
  [ "$(xenstore-read /a)" = b ]
  [ ! -e /run/xenstored/socket ]
}

@test "two at once do not see each other" {
  sandbox_start
  other=$SANDBOX_DIR.other
  sandbox_tool start "$XB_DAEMON" "$other"
  xenstore-write /a one
  XENSTORED_PATH=$other/run/socket xenstore-write /a two
  [ "$(xenstore-read /a)" = one ]
  [ "$(XENSTORED_PATH=$other/run/socket xenstore-read /a)" = two ]
  sandbox_tool stop "$other"
  [ ! -e "$other" ]
}

@test "a killed daemon comes back empty at the same place" {
  sandbox_start
  xenstore-write /a b
  sandbox_kill
  run timeout 10 xenstore-read /a
  [ "$status" -ne 0 ]
  sandbox_again
  run xenstore-read /a
  [ "$status" -ne 0 ]
  xenstore-write /a c
}

@test "stopping ends a daemon that hangs and leaves nothing" {
  sandbox_start
  dir=$SANDBOX_DIR pid=$(sandbox_pid)
  kill -STOP "$pid"
  sandbox_stop
  [ ! -e "$dir" ]
  [ ! -d "/proc/$pid" ] || grep -q '^State:.Z' "/proc/$pid/status"
}

@test "run gives a command its own daemon and its status" {
  run sandbox_tool run "$XB_DAEMON" -- sh -c 'xenstore-write /x y && xenstore-read /x && exit 7'
  [ "$status" -eq 7 ]
  [ "$output" = y ]
}

@test "another domain speaks through its ring, with its own rights" {
  sandbox_start
  guest=$BUILDDIR/tests/sandbox/ring-client
  xenstore-write /t/all one
  xenstore-chmod /t/all r0
  xenstore-write /t/five two
  xenstore-chmod /t/five n0 r5
  xenstore-write /t/none three
  [ "$("$guest" 5 read /t/all)" = one ]
  [ "$("$guest" 5 read /t/five)" = two ]
  run "$guest" 5 read /t/none
  [ "$status" -eq 1 ]
  [ "$output" = EACCES ]
  run "$guest" 6 read /t/five
  [ "$status" -eq 1 ]
  [ "$output" = EACCES ]
  run "$guest" 6 write /t/all mine
  [ "$status" -eq 1 ]
  [ "$output" = EACCES ]
  # More than the ring holds at once.
  xenstore-write /local/domain/6/data ""
  xenstore-chmod /local/domain/6/data n6
  long=$(head -c 1900 /dev/zero | tr '\0' q)
  "$guest" 6 write data "$long"
  [ "$("$guest" 6 read /local/domain/6/data)" = "$long" ]
}

@test "a stub domain has the rights of its guest as well" {
  sandbox_start
  guest=$BUILDDIR/tests/sandbox/ring-client
  xenstore-write /t/five two
  xenstore-chmod /t/five n0 r5
  run "$guest" 7 read /t/five
  [ "$output" = EACCES ]
  "$guest" 7 target 5
  [ "$("$guest" 7 read /t/five)" = two ]
}
