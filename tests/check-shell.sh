#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shell scripts: shellcheck finds nothing, in our tests either.
. "$(dirname "$0")/tap.sh"

mapfile -t files < <(shell_files)
must "${#files[@]} shell scripts are clean" shellcheck "${files[@]}"
mapfile -t files < <(bats_files)
# bats runs every test in a subshell on purpose (SC2030, SC2031) and sets $status, $output, $lines
# and $stderr itself (SC2154); helpers are called through `run` (SC2317).
[ "${#files[@]}" -eq 0 ] ||
  must "${#files[@]} bats files are clean" \
    shellcheck -s bash -e SC2030,SC2031,SC2154,SC2317,SC1091 "${files[@]}"
plan
