# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# A private xenstore daemon for a bats file. In setup() or setup_file() call
#   sandbox_start [KIND]     (default: $XB_DAEMON, set by tests/run-bats)
# and in the matching teardown sandbox_stop. Exports SANDBOX_DIR and XENSTORED_PATH. The daemon is
# told by its pid; one that a test has stopped (SIGSTOP) or killed is cleaned up as well.

sandbox_tool() {
  "${SRCDIR:-$BATS_TEST_DIRNAME/..}/tests/sandbox/sandbox" "$@"
}

sandbox_start() {
  SANDBOX_KIND=${1:-${XB_DAEMON:-xenstored}}
  SANDBOX_DIR=$(mktemp -d /tmp/xb.XXXXXX)
  XENSTORED_PATH=$SANDBOX_DIR/run/socket
  export SANDBOX_KIND SANDBOX_DIR XENSTORED_PATH
  sandbox_tool start "$SANDBOX_KIND" "$SANDBOX_DIR"
}

sandbox_stop() {
  [ -z "${SANDBOX_DIR:-}" ] || sandbox_tool stop "$SANDBOX_DIR"
  unset SANDBOX_DIR XENSTORED_PATH
}

# The daemon dies without a goodbye; sandbox_again starts it anew at the same place, empty.
sandbox_kill() {
  sandbox_tool kill "$SANDBOX_DIR"
}

sandbox_again() {
  sandbox_tool start "$SANDBOX_KIND" "$SANDBOX_DIR"
}

sandbox_pid() {
  cat "$SANDBOX_DIR/pid"
}

# sandbox_live PROGRAM CASE: one case of a cmocka program that works on the daemon.
# shellcheck disable=SC2154 # run sets them
sandbox_live() {
  run timeout 300 "$BUILDDIR/tests/$1" "$2"
  echo "$output"
  [ "$status" -eq 0 ]
  [[ "$output" == *"ok 1 - $2"* ]]
}

# Until COMMAND succeeds; gives up after a time that no busy machine takes, and shows the files log
# and told, in which tests keep what a daemon says.
eventually() {
  local i
  for ((i = 0; i < 2400; i++)); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.05
  done
  echo "never: $*"
  cat log told 2>/dev/null
  return 1
}
