#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# C sources are formatted by .clang-format. Versions of clang-format differ in taste: the one of
# Debian 12 decides, others are not asked.
. "$(dirname "$0")/tap.sh"

if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
  mapfile -t files < <(c_files)
  must "${#files[@]} C files are formatted" clang-format --dry-run -Werror "${files[@]}"
else
  skip "C files are formatted" "needs clang-format 14"
fi
plan
