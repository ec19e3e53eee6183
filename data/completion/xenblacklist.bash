# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion of xenblacklist in bash. Verbs come from --list-verbs, options from a verb's --help,
# products and entries from the registry: nothing here has to follow the program.

# The words of the verb on the line, e.g. "product list", as far as they are there.
_xenblacklist_verb() {
  local word verb='' verbs i
  verbs=$(xenblacklist --list-verbs 2>/dev/null) || return
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case $word in
    --registry | --config | --color) ((i++)); continue ;;
    -*) continue ;;
    esac
    if [ -z "$verb" ]; then
      verb=$word
    elif grep -qx -- "$verb $word" <<<"$verbs"; then
      verb="$verb $word"
      break
    else
      break
    fi
  done
  printf '%s' "$verb"
}

_xenblacklist_options() {
  # shellcheck disable=SC2086
  xenblacklist $1 --help 2>/dev/null | grep -oE '(^|[ ,])--[a-z][a-z-]*=?' | tr -d ' ,' | sort -u
}

# Of the lines on stdin, which others have written (names come with manifests and headers), the plain
# words that begin with $1. compgen -W would expand them all, and run what stands in "$(...)".
_xenblacklist_plain() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    [[ $word != "$1"* || ! $word =~ ^[A-Za-z0-9._:+@-]+$ ]] || COMPREPLY+=("$word")
  done
}

_xenblacklist() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb verbs
  COMPREPLY=()
  case $prev in
  --registry | --config | --plan | --out | --output | -o | --from | --signature | --prometheus)
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    return
    ;;
  --color) mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur") && return ;;
  --mode) mapfile -t COMPREPLY < <(compgen -W 'enforce audit' -- "$cur") && return ;;
  --origin) mapfile -t COMPREPLY < <(compgen -W 'shipped upstream local' -- "$cur") && return ;;
  esac
  verbs=$(xenblacklist --list-verbs 2>/dev/null) || return
  verb=$(_xenblacklist_verb)
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_xenblacklist_options "$verb")" -- "$cur")
    [[ ${COMPREPLY[0]:-} != *= ]] || compopt -o nospace 2>/dev/null
    return
  fi
  if [ -z "$verb" ]; then
    mapfile -t COMPREPLY < <(compgen -W "help $(cut -d ' ' -f 1 <<<"$verbs" | sort -u)" -- "$cur")
    return
  fi
  # A group wants its second word.
  if ! grep -qx -- "$verb" <<<"$verbs" && grep -q -- "^$verb " <<<"$verbs"; then
    mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^$verb //p" <<<"$verbs")" -- "$cur")
    return
  fi
  case $verb in
  help) mapfile -t COMPREPLY < <(compgen -W "$(cut -d ' ' -f 1 <<<"$verbs" | sort -u)" -- "$cur") ;;
  import | verify | publish) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
  'encoding show')
    _xenblacklist_plain "$cur" < <(xenblacklist encoding list -q 2>/dev/null | sed '1d; s/ .*//')
    ;;
  product\ * | encode | decode | add | list | check | explain | simulate | history | 'exception add' | 'exception list')
    _xenblacklist_plain "$cur" < <(xenblacklist product list -q 2>/dev/null |
      awk 'NR == 1 { a = index($0, "NAME"); n = index($0, "STATUS") - a; next }
        /^$/ { exit } { name = substr($0, a, n); sub(/ +$/, "", name); print name }')
    ;;
  remove) _xenblacklist_plain "$cur" < <(xenblacklist list -q 2>/dev/null | sed -n '/^$/q; 2,$s/ .*//p') ;;
  esac
}

complete -F _xenblacklist xenblacklist
