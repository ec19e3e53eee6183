#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion in bash: words come from the program itself.

load cli

setup() {
  cli_setup
  mkdir bin
  ln -s "$XB" bin/xenblacklist
  PATH=$PWD/bin:$PATH
  # shellcheck source=/dev/null
  . "$SRCDIR/data/completion/xenblacklist.bash"
}

# words WORD...: what completes the last one.
words() {
  COMP_WORDS=(xenblacklist "$@")
  COMP_CWORD=$#
  COMPREPLY=()
  _xenblacklist 2>/dev/null
  printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}

@test "verbs, groups and their words" {
  [ "$(words pro)" = 'product ' ]
  [ "$(words exp)" = 'explain export ' ]
  [ "$(words product re)" = 'product release reserve retire revoke ' ] ||
    [ "$(words product re)" = 'release reserve retire revoke ' ]
  [ "$(words help encod)" = 'encode encoding ' ]
  xb_run --list-verbs | while read -r verb; do
    first=${verb%% *}
    [[ " $(words "$first")" == *" $first "* ]] || { echo "no completion for '$first'"; return 1; }
  done
}

@test "options of the verb, products, entries, encodings" {
  [[ " $(words add --re)" == *' --reason= --reference= --registry= '* ]]
  [ "$(words --json plan --exit)" = '--exit-code ' ]
  [ "$(words product show gpl)" = 'gplpv-windows ' ]
  [ "$(words check --live exp)" = 'experimental ' ]
  [ "$(words encoding show xen)" = 'xen-win ' ]
  xb_run add 65535 1 --reason a --id XSA-1 -q
  [ "$(words remove XSA)" = 'XSA-1 ' ]
  [ "$(words --color a)" = 'always auto ' ]
}

@test "a name is a word, not a command, and half a name is none" {
  local name
  # shellcheck disable=SC2016
  for name in 'pwn$(touch${IFS}pwned)' 'pwn`touch${IFS}pwned`' 'pwn two' 'pwn{a,b}' 'pwn-1'; do
    xb_run product allocate "$name" --vendor v --contact c -q
  done
  [ "$(words product show pwn)" = 'pwn-1 ' ]
  [ "$(words check pwn)" = 'pwn-1 ' ]
  [ ! -e pwned ]
}
