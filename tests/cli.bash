# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# For bats files that run the command line. Every check states status, stdout and stderr:
#
#   xb 0 encode 65535 xen-win:9.1.0 <<'END'
#   590080
#   END
#   xb 66 product show nobody <<'END'
#   --
#   xenblacklist: product show: no product 'nobody'
#   END
#
# What stands after the line "--" is stderr. The clock stands still; each test has a fresh
# directory and a fresh registry in it. XB_STDIN names a file for the program's stdin.
# run_json checks the status, validates the object by its own schema and leaves it in out.json.

cli_setup() {
  SRCDIR=$(cd "${SRCDIR:-$BATS_TEST_DIRNAME/..}" && pwd)
  XB=${BUILDDIR:-$SRCDIR}/xenblacklist
  cd "$BATS_TEST_TMPDIR" || return 1
  unset XENBLACKLIST_CONFIG NO_COLOR ARGP_HELP_FMT POSIXLY_CORRECT
  export XENBLACKLIST_REGISTRY=registry.db
  : "${XENSTORED_PATH:=$BATS_TEST_TMPDIR/no-xenstore}"
  export XENSTORED_PATH TZ=UTC SUDO_USER=
  : >empty.conf
  export XENBLACKLIST_CONFIG=empty.conf
}

# The program at 2026-11-20 12:00:00 UTC, or at $XB_NOW. ASan wants to be loaded first; it works
# all the same.
xb_run() {
  ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} \
    LD_PRELOAD=${XB_FAKETIME:-$(cli_faketime)} FAKETIME="${XB_NOW:-2026-11-20 12:00:00}" \
    FAKETIME_DONT_FAKE_MONOTONIC=1 "$XB" "$@"
}

cli_faketime() {
  local f
  for f in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1; do
    [ ! -e "$f" ] || { echo "$f" && return; }
  done
  echo "libfaketime is not installed" >&2
  return 1
}

# A copy of the program where other users get at it, wherever the checkout is (root's own directory
# is shut): its path on stdout. Opens the way to the test's directory.
cli_for_others() {
  local d=$PWD
  mkdir -p for-others
  cp "$XB" "$(dirname "$XB")/xenblacklist-fetch" for-others/
  while [ "$d" != / ] && [ "$d" != /tmp ]; do
    chmod a+x "$d"
    d=$(dirname "$d")
  done
  echo "$PWD/for-others/xenblacklist"
}

# xb STATUS ARG... <<END: stdout, then "--" and stderr when there is any.
xb() {
  local want_status=$1 status=0
  shift
  awk -v out=want.out -v err=want.err 'BEGIN { printf "" >out; printf "" >err; f = out }
    $0 == "--" && f == out { f = err; next } { print >f }'
  xb_run "$@" >got.out 2>got.err <"${XB_STDIN:-/dev/null}" || status=$?
  if ! diff -u want.out got.out >diff.out || ! diff -u want.err got.err >diff.err ||
    [ "$status" != "$want_status" ]; then
    printf 'xenblacklist %s\nstatus %s, expected %s\n' "$*" "$status" "$want_status"
    cat diff.out diff.err
    return 1
  fi
}

# Only the status; output in got.out and got.err.
xb_status() {
  local want_status=$1 status=0
  shift
  xb_run "$@" >got.out 2>got.err <"${XB_STDIN:-/dev/null}" || status=$?
  [ "$status" = "$want_status" ] && return
  printf 'xenblacklist %s\nstatus %s, expected %s\n' "$*" "$status" "$want_status"
  cat got.out got.err
  return 1
}

# run_json STATUS ARG...: out.json; an error object when STATUS tells of a failure.
run_json() {
  local want=$1
  shift
  xb_status "$want" "$@" --json || return 1
  cp got.out out.json
  "$SRCDIR/tests/validate-json" "$SRCDIR/data/json-schema" out.json "$@" || {
    cat out.json
    return 1
  }
}

# lacks PATTERN FILE: bats does not see "! grep" fail.
lacks() {
  if grep -n -- "$1" "$2"; then return 1; fi
}

# json EXPRESSION: what jq makes of out.json; compare with "[ "$(json .x)" = y ]".
json() {
  jq -c "$1" out.json
}
