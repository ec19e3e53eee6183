#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The session in README.md is one that somebody has had: its commands are run again, one after the
# other, and print what stands there.

load cli
load sandbox

setup() {
  cli_setup
  sandbox_start
}

teardown() {
  sandbox_stop
}

# The session's lines, without their indentation.
session() {
  sed -n '/^## A short session/,/^## /s/^    //p' "$SRCDIR/README.md"
}

# In the order in which a terminal would show it: stdout is written by the line.
@test "the session of the README prints what the README says" {
  local line command='' said=0
  XB_FAKETIME=$(cli_faketime):$(echo /usr/lib*/coreutils/libstdbuf.so)
  export XB_FAKETIME _STDBUF_O=L
  xenblacklist() { xb_run "$@"; }
  : >expected
  : >got
  while IFS= read -r line; do
    case $line in
    '# '* | '$ '*) command=${line#??} ;;
    *)
      if [[ $command == *\\ ]]; then
        command=${command%\\}$line
      else
        printf '%s\n' "$line" >>expected
        continue
      fi
      ;;
    esac
    [[ $command != *\\ ]] || continue
    printf '> %s\n' "$command" | tee -a expected >>got
    eval "$command" >>got 2>&1 || true
    said=$((said + 1))
  done < <(session | grep .)
  diff -u expected got
  [ "$said" -eq 6 ]
}
