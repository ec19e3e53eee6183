#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The frame of the command line: verbs, global options, help, output, exit statuses.

load cli

setup() {
  cli_setup
}

@test "without a verb: usage on stderr, 64" {
  xb_status 64
  [ ! -s got.out ]
  grep -q '^Usage: xenblacklist ' got.err
}

@test "--help, help and --version go to stdout" {
  xb_status 0 --help
  grep -q '^Registry:$' got.out
  [ ! -s got.err ]
  mv got.out help.out
  xb_status 0 help
  cmp got.out help.out
  xb_status 0 --version
  grep -qE '^xenblacklist [0-9.]+$' got.out
  for library in sqlite jansson libsodium curl; do
    grep -qE "^$library .*[0-9]+\.[0-9]+" got.out
  done
}

@test "--list-verbs names every verb of the help, and each has a summary, help and a schema" {
  xb_status 0 --list-verbs
  cp got.out verbs
  [ "$(wc -l <verbs)" -gt 10 ]
  [ -z "$(sort verbs | uniq -d)" ]
  xb_status 0 help
  cp got.out help.out
  while read -r verb; do
    grep -qE "^  $verb +[a-z]" help.out || { echo "no line for '$verb'"; return 1; }
    [ -e "$SRCDIR/data/json-schema/${verb// /-}.json" ] || { echo "no schema of '$verb'"; return 1; }
    # shellcheck disable=SC2086
    xb_status 0 $verb --help
    grep -q "^Usage: xenblacklist $verb" got.out
    grep -q -- '--registry' got.out
    mv got.out one
    # shellcheck disable=SC2086
    xb_status 0 help $verb
    cmp one got.out
  done <verbs
}

@test "lines of the help fit a terminal" {
  xb_status 0 help
  [ -z "$(awk 'length > 80' got.out)" ]
  # One line a verb: what argp broke goes on in the first column.
  sed -i '1,/^Registry:/d' got.out
  lacks '^[a-z]' got.out
}

@test "every schema is one, and belongs to a verb" {
  xb_status 0 --list-verbs
  cp got.out verbs
  /usr/bin/python3 -W ignore -c 'import json, sys, jsonschema
for path in sys.argv[1:]:
    jsonschema.Draft202012Validator.check_schema(json.load(open(path)))
' "$SRCDIR"/data/json-schema/*.json
  for f in "$SRCDIR"/data/json-schema/*.json; do
    name=$(basename "$f" .json)
    case $name in common | error) continue ;; esac
    tr ' ' - <verbs | grep -qx "$name" || { echo "schema '$name' of no verb"; return 1; }
    grep -q "json-schema/$name.json" "$SRCDIR/Makefile.am"
  done
}

@test "an unknown verb or word of a group is 64, with what may be meant" {
  xb 64 chekc <<'END'
--
xenblacklist: unknown verb 'chekc', did you mean 'check'?
END
  xb 64 zzzzzz <<'END'
--
xenblacklist: unknown verb 'zzzzzz' (see 'xenblacklist help')
END
  xb 64 product lsit <<'END'
--
xenblacklist: unknown verb 'product lsit', did you mean 'product list'?
END
  xb 64 help product zzz <<'END'
--
xenblacklist: unknown verb 'product zzz' (see 'xenblacklist help')
END
  xb 64 '' <<'END'
--
xenblacklist: unknown verb '' (see 'xenblacklist help')
END
  xb 64 $'\e[31m' <<'END'
--
xenblacklist: unknown verb '\x1b[31m' (see 'xenblacklist help')
END
  xb_status 64 exception
  grep -q "'exception' needs one of:" got.err
  xb_status 0 exception --help
  grep -q 'exception remove' got.out
}

@test "a verb of two words is found as two words only" {
  xb_status 64 'product list'
}

@test "unknown options are 64 and name the verb, bytes in them are escaped" {
  xb_status 64 product list --nonsense
  grep -qx "xenblacklist product list: unrecognized option '--nonsense'" got.err
  xb_status 64 --nonsense product list
  grep -qx "xenblacklist: unrecognized option '--nonsense'" got.err
  xb 64 list $'--\e[2J' <<'END'
--
xenblacklist: control characters or malformed UTF-8 in option '--\x1b[2J'
END
  xb 64 list $'--nonsense=\xff' <<'END'
--
xenblacklist: control characters or malformed UTF-8 in option '--nonsense=\xff'
END
  xb_status 0 add 65535 1 --reason='grün \ und blau' -q
}

@test "too few and too many arguments are 64" {
  xb 64 product show <<'END'
--
xenblacklist: product show: missing argument, expected PRODUCT
END
  xb 64 check <<'END'
--
xenblacklist: check: missing argument, expected PRODUCT BUILD
END
  xb 64 product show 1 2 <<'END'
--
xenblacklist: product show: too many arguments: '2'
END
  xb 64 product show 1 $'\e' <<'END'
--
xenblacklist: product show: too many arguments: '\x1b'
END
  run_json 64 product show
  [ "$(json .exit_status)" = 64 ]
}

@test "the first mistake is told, and --help after it still helps" {
  xb 64 product list --color pink --status zzz one two <<'END'
--
xenblacklist: product list: bad value for '--color': 'pink' is not auto, always or never
END
  xb 64 --registry '' product list <<'END'
--
xenblacklist: product list: empty file name
END
  xb_status 0 product list --status zzz --help
  grep -q '^Usage: ' got.out
}

@test "-v tells what is used, -q says nothing but errors" {
  xb 0 -v encode 205 2.5.3 <<'END'
20503
--
xenblacklist: encode: registry './registry.db'
END
  xb 0 add 65535 5 --reason a -q <<<local-1
  xb 66 -q product show nobody <<'END'
--
xenblacklist: product show: no product 'nobody'
END
}

@test "locked: 75 and LOCKED" {
  xb_status 0 product list
  mkfifo go
  sqlite3 registry.db 'BEGIN IMMEDIATE' '.shell touch locked; cat go' 'ROLLBACK' 3>&- &
  while [ ! -e locked ]; do sleep 0.1; done
  run_json 75 product allocate x --vendor a --contact b
  [ "$(json .code)" = '"LOCKED"' ]
  xb_status 0 product list
  echo >go
  wait
  xb_status 0 product allocate x --vendor a --contact b
}

@test "not permitted: 77" {
  [ "$(id -u)" = 0 ] || skip 'only root can become somebody else'
  xb_status 0 product list
  mkdir shut
  mv registry.db shut/
  chmod 700 . shut
  for verb in 'product list' 'product allocate y --vendor a --contact b'; do
    status=0
    # shellcheck disable=SC2086
    setpriv --reuid=65534 --regid=65534 --clear-groups "$XB" $verb --registry "$PWD/shut/registry.db" \
      >got.out 2>got.err || status=$?
    [ "$status" = 77 ] || { echo "$verb: $status"; cat got.err; return 1; }
  done
}

@test "global options stand before or after the verb" {
  xb_status 0 --json --registry one.db product list
  xb_status 0 product list --registry two.db --json
  [ -e one.db ] && [ -e two.db ] && [ ! -e registry.db ]
  jq -e '.schema == "xenblacklist/product-list/1"' got.out
  xb_status 64 --registry '' product list
  xb_status 64 --color pink product list
}

@test "the option wins over the environment" {
  XENBLACKLIST_REGISTRY=env.db xb_status 0 product list
  [ -e env.db ]
  XENBLACKLIST_REGISTRY=other.db xb_status 0 product list --registry option.db
  [ -e option.db ] && [ ! -e other.db ]
}

@test "colors: never in a file, always when asked for, not in JSON" {
  xb_status 0 product list
  lacks $'\e' got.out
  xb_status 0 product list --color always
  grep -q $'\e\\[1m' got.out
  NO_COLOR=1 xb_status 0 product list --color always
  grep -q $'\e' got.out
  xb_status 0 product list --color always --json
  lacks $'\e' got.out
}

@test "colors on a terminal, unless NO_COLOR" {
  TERM=xterm script -qec "$XB product list" /dev/null </dev/null >tty.out
  grep -q $'\e\\[1m' tty.out
  TERM=xterm NO_COLOR=1 script -qec "$XB product list" /dev/null </dev/null >tty.out
  lacks $'\e' tty.out
  TERM=dumb script -qec "$XB product list" /dev/null </dev/null >tty.out
  lacks $'\e' tty.out
}

# terminal COLUMNS WORD...: tty.out is what a terminal of that width gets, a line a row.
terminal() {
  local columns=$1
  shift
  TERM=dumb script -qec "stty cols $columns; $XB $(printf '%q ' "$@")" /dev/null </dev/null |
    tr -d '\r' >tty.out
}

@test "on a terminal a reason is cut to what fits, elsewhere never" {
  long=$(printf 'grün und blau %.0s' $(seq 20))
  xb_status 0 exception add 3 5 --owner ops --reason "$long" -q
  xb_status 0 exception add 3 6 --owner ops --reason $'back\\slash, short' -q
  terminal 100 exception list
  [ "$(wc -l <tty.out)" = 3 ]
  [ "$(LC_ALL=C.UTF-8 wc -L <tty.out)" = 100 ]
  iconv -f UTF-8 -t UTF-8 tty.out >/dev/null
  LC_ALL=C.UTF-8 grep -q '  grün und blau .*…$' tty.out
  grep -q '  back\\x5cslash, short$' tty.out
  # One more column, one more character, wherever in a letter of two bytes that is.
  for columns in 101 102 103 104 105 106 107; do
    terminal "$columns" exception list
    [ "$(LC_ALL=C.UTF-8 wc -L <tty.out)" = "$columns" ]
    iconv -f UTF-8 -t UTF-8 tty.out >/dev/null
  done
  # Too narrow for the other columns: the line goes on in a second one, and ends with it.
  terminal 60 exception list
  [ "$(LC_ALL=C.UTF-8 wc -L <tty.out)" = 120 ]
  # A width that fits, none that is known, all of it wanted, no terminal, JSON: nothing is cut.
  for columns in 1000 0; do
    terminal "$columns" exception list
    grep -qF "$long" tty.out
  done
  terminal 100 exception list -v
  grep -qF "$long" tty.out
  xb_status 0 exception list
  grep -qF "$long" got.out
  terminal 100 exception list --json
  grep -qF "$long" tty.out
  for verb in list history; do
    terminal 130 $verb
    grep -q '…$' tty.out
  done
}

@test "what cannot be written to stdout is 74" {
  [ -w /dev/full ]
  for words in 'product list' 'product list --json' 'export --format html' 'export --json' \
    'help add' '--help' '--version' '--list-verbs' 'help'; do
    status=0
    # shellcheck disable=SC2086
    xb_run $words >/dev/full 2>got.err || status=$?
    [ "$status" = 74 ] || { echo "$words: $status"; return 1; }
    [ "$(grep -c 'cannot write to standard output: No space left on device$' got.err)" = 1 ] || {
      echo "$words:"
      cat got.err
      return 1
    }
    [ "$(wc -l <got.err)" = 1 ]
  done
  status=0
  "$XB" product list >&- 2>got.err || status=$?
  [ "$status" = 74 ]
  grep -q 'cannot write to standard output' got.err
}

@test "a reader that goes away is 74 without a word" {
  mkfifo pipe
  xb_run encoding list >pipe 2>got.err &
  pid=$!
  exec 9<pipe
  exec 9<&-
  status=0
  wait "$pid" || status=$?
  # Either everything fitted into the pipe before the reader left, or this is how it ends.
  [ "$status" = 74 ] || [ "$status" = 0 ]
  [ ! -s got.err ]
}

@test "closed standard streams never become the registry" {
  "$XB" product list <&- >got.out
  "$XB" product list 2>&- >got.out
  "$XB" product list <&- >&- 2>&- || [ $? = 74 ]
  "$XB" history --verify
}

@test "the locale changes nothing" {
  xb_status 0 product show 65535
  mv got.out c.out
  LC_ALL=de_DE.UTF-8 LANG=de_DE.UTF-8 LANGUAGE=de xb_status 0 product show 65535
  cmp c.out got.out
  LC_ALL=C xb_status 64 product show --nonsense
  mv got.err c.err
  LC_ALL=de_DE.UTF-8 LANGUAGE=de xb_status 64 product show --nonsense
  cmp c.err got.err
}

@test "a failed run with --json prints an error object and the line on stderr" {
  run_json 66 product show nobody
  [ "$(json '[.verb, .exit_status, .code]')" = '["product show",66,null]' ]
  grep -q "^xenblacklist: product show: no product 'nobody'" got.err
}

# error_object ARG...: 64, one object that is valid, the same message on stderr.
error_object() {
  xb_status 64 "$@" || return 1
  "$SRCDIR/tests/validate-json" "$SRCDIR/data/json-schema" got.out || return 1
  cp got.out out.json
  [ "$(json '[.schema, .code, .exit_status]')" = '["xenblacklist/error/1",null,64]' ] || return 1
  [ -s got.err ]
}

@test "with --json every mistake on the command line is one object, wherever --json stands" {
  while read -r verb message; do
    read -r -a words
    error_object "${words[@]}"
    [ "$(jq -r .verb out.json)" = "${verb//_/ }" ] || { cat out.json; return 1; }
    [ "$(jq -r .message out.json)" = "$message" ] || { cat out.json; return 1; }
    # The same words without --json say the same on stderr, and nothing on stdout.
    cp got.err json.err
    local plain=()
    for word in "${words[@]}"; do
      case $word in --json | --js) ;; *) plain+=("$word") ;; esac
    done
    xb_status 64 "${plain[@]}"
    [ ! -s got.out ]
    cmp got.err json.err
  done <<'END'
product_list unrecognized option '--nonsense'
product list --json --nonsense
product_list unrecognized option '--nonsense'
product list --nonsense --json
product_list unrecognized option '--nonsense'
--json product list --nonsense
product_list unrecognized option '--nonsense'
product list --nonsense --js
check invalid option -- 'z'
check -z --json
history option '--since' requires an argument
--json history --since
product_list option '--json' doesn't allow an argument
product list --json=1 --json
status option '--nagios' doesn't allow an argument
status --json --nagios=1
product_show missing argument, expected PRODUCT
product show --json
product_show too many arguments: '2'
--json product show 1 2
END
  while read -r message; do
    read -r -a words
    error_object "${words[@]}"
    [ "$(json .verb)" = '""' ]
    [ "$(jq -r .message out.json)" = "$message" ] || { cat out.json; return 1; }
  done <<'END'
missing verb (see 'xenblacklist help')
--json
unrecognized option '--nonsense'
--json --nonsense product list
unrecognized option '--nonsense'
--nonsense product list --json
option '--registry' requires an argument
--json --registry
unknown verb 'chekc', did you mean 'check'?
--json chekc 1 2
unknown verb 'chekc', did you mean 'check'?
chekc 1 2 --json
unknown verb 'product lsit', did you mean 'product list'?
product lsit --json
'exception' needs a verb (see 'xenblacklist exception --help')
exception --json
too many arguments: 'x'
help add x --json
END
  error_object $'\e[31m' --json
  [ "$(json .message)" = "\"unknown verb '\\u001b[31m' (see 'xenblacklist help')\"" ]
  error_object list $'--\e[2J' --json
  # Behind "--" it is an argument.
  xb_status 64 product list -- --json
  [ ! -s got.out ]
  # What is no failure is as it was.
  xb_status 0 product list --help --json
  grep -q '^Usage: ' got.out
  status=0
  xb_run product list --nonsense --json >/dev/full 2>got.err || status=$?
  [ "$status" = 74 ]
  grep -q 'cannot write to standard output: No space left on device' got.err
}

@test "a registry that cannot be made, or is none" {
  mkdir dir
  xb_status 73 product list --registry missing/dir/registry.db || xb_status 66 product list --registry missing/dir/registry.db
  echo 'this is no registry, whatever its name says, and it is long enough to be looked at' >text.db
  xb_status 65 product list --registry text.db
  grep -q "text.db" got.err
  [ "$(cat text.db)" = 'this is no registry, whatever its name says, and it is long enough to be looked at' ]
}
