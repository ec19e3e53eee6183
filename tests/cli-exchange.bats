#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# import and export: Xen's header comes back byte for byte, conflicts name both sides, files are
# whole or not there.

load cli

setup() {
  cli_setup
  HEADER=/usr/include/xen/hvm/pvdrivers.h
}

# with_row ROW: Xen's header with one more row before the last one.
with_row() {
  awk -v row="$1" '/"experimental"/ { printf "        EACH(%s \\\n", row } { print }' "$HEADER"
}

@test "Xen's header, imported and exported, is the same file" {
  xb 0 import "$HEADER" <<'END'
--
xenblacklist: import: 0 products added
END
  xb 0 export -o out.h </dev/null
  cmp "$HEADER" out.h
  xb_status 0 export
  cmp "$HEADER" got.out
}

@test "a header with a new product: shown, then added" {
  with_row '"acme-windows",            0x0006) /* ACME */        ' >new.h
  xb 0 import --dry-run new.h <<'END'
CHANGE  NUMBER  NAME
new          6  acme-windows  ACME
--
xenblacklist: import: 0 products added (dry run)
END
  xb_status 66 product show acme-windows
  run_json 0 import new.h
  [ "$(json '[.added, .format, ([.changes[] | select(.class == "new") | .number])]')" = \
    '[1,"pvdrivers",[6]]' ]
  run_json 0 product show 6
  [ "$(json '[.name, .vendor, .origin]')" = '["acme-windows","ACME","local"]' ]
  xb 0 export -o out.h </dev/null
  cmp new.h out.h
}

@test "what contradicts the registry is refused as a whole, both sides named" {
  with_row '"acme",  0x0006)' | sed 's/"linux", /"hurd", /' >renamed.h
  xb_status 65 import renamed.h
  grep -qx "xenblacklist: import: number 3 is 'hurd' in the header and 'linux' in the registry" got.err
  xb_status 66 product show acme
  sed 's/0x0002/0x0007/' "$HEADER" >renumbered.h
  xb_status 65 import renumbered.h
  grep -qx "xenblacklist: import: 'gplpv-windows' has number 7 in the header and 2 in the registry" got.err
  xb_status 65 import --dry-run renumbered.h
  with_row '"acme",  0x0000)' >zero.h
  xb_status 65 import zero.h
  xb 0 history --verify <<<'the history is intact'
}

@test "files that are no header" {
  xb 65 import /etc/passwd <<'END'
--
xenblacklist: import: '/etc/passwd': pvdrivers.h: no '#define PVDRIVERS_PRODUCT_LIST(EACH)'
END
  xb 66 import missing.h <<'END'
--
xenblacklist: import: cannot open 'missing.h': No such file or directory
END
  xb 66 import . <<'END'
--
xenblacklist: import: cannot read '.': Is a directory
END
  xb_status 65 import - <"$HEADER"
  XB_STDIN=$HEADER xb_status 0 import -
}

@test "a manifest needs keys and a signature, also here" {
  echo '{ "format": "xenblacklist-manifest" }' >m.json
  mkdir keys
  printf '[upstream]\nkeys = keys\n' >conf
  xb_status 78 import m.json --config conf
  xb_status 78 import --format manifest m.json --config conf
}

@test "export: every format, to stdout and to a file" {
  for format in pvdrivers manifest csv html; do
    xb_status 0 export --format "$format"
    mv got.out stdout.copy
    xb 0 export --format "$format" -o file.copy </dev/null
    cmp stdout.copy file.copy
    run_json 0 export --format "$format"
    jq -j .content out.json | cmp - file.copy
    run_json 0 export --format "$format" -o file.copy
    [ "$(json '[.content, .file]')" = '[null,"file.copy"]' ]
  done
  xb_status 0 export --format csv
  [ "$(sed -n 1p got.out)" = $'number,hex,name,node,status,origin,vendor,contact,reference,deadline,encodings\r' ]
  xb_status 0 export --format manifest
  jq -e '.format == "xenblacklist-manifest" and (.products | length) == 7' got.out
  xb_status 0 product allocate mine --vendor a --contact b
  xb_status 0 export --format manifest --origin upstream
  jq -e '(.products | length) == 7' got.out
}

@test "an output file is whole or not there" {
  echo old >kept
  xb_status 73 export -o missing/dir/file
  mkdir dir
  xb_status 73 export -o dir
  xb 74 export -o /dev/full <<'END'
--
xenblacklist: export: cannot write '/dev/full': No space left on device
END
  run_json 74 export --format html -o /dev/full
  [ "$(json .message)" = "\"cannot write '/dev/full': No space left on device\"" ]
  [ "$(cat kept)" = old ]
  ln -s kept link
  xb_status 0 export -o link
  [ -L link ]
  cmp "$HEADER" kept || grep -q PVDRIVERS_PRODUCT_LIST kept
  chmod 600 kept
  xb_status 0 export -o kept
  [ "$(stat -c %a kept)" = 600 ]
}

@test "an output file on a full disk: 74, and nothing is left of it" {
  mkdir ro
  mount -t tmpfs -o size=4k tmpfs ro 2>/dev/null || skip 'no file system can be mounted here'
  status=0
  xb_run export --format html -o ro/page >got.out 2>got.err || status=$?
  left=$(ls ro)
  umount ro
  [ "$status" = 74 ]
  grep -q "cannot write '.*ro/page': No space left on device$" got.err
  [ -z "$left" ]
}
