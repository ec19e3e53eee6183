#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Manual pages: clean mdoc, every page installed, and every verb and option described.
. "$(dirname "$0")/tap.sh"

program=${BUILDDIR:-.}/xenblacklist

for page in data/man/*.[1-9]; do
  # mandoc does not know our section 7 and 5 names as system ones; everything else is a finding.
  must "$page is clean mdoc" mandoc -Tlint -Wwarning "$page"
done

# Cross references to our own pages lead somewhere.
dangling() {
  local name section
  grep -hoE '^\.Xr xenblacklist[a-z-]*(\.conf)? [0-9]' data/man/*.[1-9] | sort -u |
    while read -r _ name section; do
      [ -e "data/man/$name.$section" ] || echo "$name($section) is referred to and does not exist"
    done
}
nothing "references between the pages lead somewhere" dangling

if [ -x "$program" ]; then
  text=$(mandoc -Tascii data/man/xenblacklist.8 | col -b)
  undescribed_verbs() {
    local verb
    "$program" --list-verbs | while read -r verb; do
      grep -qE "^\.It Xo|^\.(It|Ss|Sh) " data/man/xenblacklist.8 &&
        grep -qE "^\.Ss.* ${verb}\$|^\.Ss ${verb}\$" data/man/xenblacklist.8 ||
        echo "verb '$verb' has no section (.Ss $verb)"
    done
  }
  nothing "every verb has its section in xenblacklist(8)" undescribed_verbs
  undescribed_options() {
    local verb option
    while read -r verb; do
      # shellcheck disable=SC2086
      "$program" $verb --help 2>/dev/null | grep -oE '(^|[ ,])--[a-z][a-z-]+' | tr -d ' ,' | sort -u |
        while read -r option; do
          grep -qE -- "${option#--}\b" <<<"$text" || echo "option '$option' of '$verb' is not described"
        done
    done < <("$program" --list-verbs)
  }
  nothing "every option of every verb is described" undescribed_options
fi
plan
