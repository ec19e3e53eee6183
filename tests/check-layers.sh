#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The architecture, as far as grep can see it: layers point one way, one foreign library lives in
# one file, every file says under which licence it is, and nothing unfinished is left lying about.
. "$(dirname "$0")/tap.sh"

includes() { # WHERE PATTERN
  find "$1" -name '*.[ch]' -exec grep -nE "#include [\"<]($2)" {} + 2>/dev/null
}
nothing "registry includes nothing above itself" includes registry '(sync|device|cli)/'
nothing "sync includes registry only" includes sync '(device|cli)/'
nothing "device does not include cli" includes device 'cli/'

# Users of HEADER outside of the named files.
users() {
  local header=$1
  shift
  grep -rlE "#include <$header>" --include='*.[ch]' registry sync device cli 2>/dev/null |
    grep -vxF "$(printf '%s\n' "$@")"
}
nothing "sqlite3.h only in registry/db.c and stmt.c" \
  users 'sqlite3\.h' registry/db.c registry/stmt.c registry/connection.h
nothing "curl.h only in sync/fetch-helper.c" users 'curl/.*' sync/fetch-helper.c
nothing "jansson.h only in sync/manifest.c and cli/output.c" users 'jansson\.h' sync/manifest.c cli/output.c
nothing "sodium.h only in sync/verify.c and registry/digest.c" \
  users 'sodium.*\.h' sync/verify.c registry/digest.c
nothing "ini.h only in registry/config.c" users 'ini\.h' registry/config.c
nothing "zlib.h only in sync/guests.c" users 'zlib\.h' sync/guests.c
nothing "xenstore.h only in sync/store.c" users 'xenstore.*\.h' sync/store.c
nothing "xs_wire.h only in sync/wire.[ch]" users 'xen/io/xs_wire\.h' sync/wire.h
nothing "the device-model libraries only in device/ioreq.c" \
  users '(xendevicemodel|xenforeignmemory|xenevtchn|xentoolcore|xenctrl)\.h' device/ioreq.c
argp_users() { users 'argp\.h' device/xenblacklistd.c | grep -v '^cli/'; }
nothing "argp.h only in cli and xenblacklistd" argp_users

libraries_print() {
  grep -nE '(\b(printf|puts|perror|exit|syslog)\(|\bstderr\b|\bstdout\b)' registry/*.c sync/*.c 2>/dev/null | grep -v '^sync/fetch-helper\.c:' |
    grep -vE '"out of memory|^[^:]*:[0-9]*:[[:space:]]*(/\*|\*)|format\(printf'
}
nothing "registry and sync do not print, log or exit" libraries_print

unlicensed() {
  local f
  for f in $(c_files) $(shell_files) $(bats_files) configure.ac Makefile.am; do
    head -n 3 "$f" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || echo "$f"
  done
}
nothing "every source names its licence" unlicensed

unfinished() {
  # shellcheck disable=SC2046
  grep -nwE 'TO[D]O|FIX[M]E|X[X]X|HA[C]K' $(c_files) $(shell_files) $(bats_files) README.md \
    HACKING.md NEWS.md 2>/dev/null
}
nothing "nothing is marked as unfinished" unfinished

trailing() {
  # shellcheck disable=SC2046
  grep -nE '[[:blank:]]+$' $(c_files) $(shell_files) $(bats_files) configure.ac Makefile.am \
    README.md HACKING.md NEWS.md data/man/* 2>/dev/null
}
nothing "no blanks at line ends" trailing
plan
