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

# The options in the synopsis of a verb's section, "--name" each.
described() {
  awk -v verb=".Ss $1" '$0 == verb { on = 1; next } /^\.(S[sh]|Pp)/ { on = 0 }
    on { for (i = 1; i < NF; i++) if ($i == "Fl" || $i == ".Fl") print "-" $(i + 1) }' data/man/xenblacklist.8 |
    grep -- '^--' | sort -u
}
# The options that --help shows of a verb, without those that every verb takes.
offered() {
  # shellcheck disable=SC2086
  "$program" $1 --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' |
    grep -vxE -- '--(color|config|json|quiet|registry|verbose|help|usage|version|list-verbs)' | sort -u
}
if [ -x "$program" ]; then
  undescribed() {
    local verb
    "$program" --list-verbs | while read -r verb; do
      grep -qx "\.Ss $verb" data/man/xenblacklist.8 || {
        echo "verb '$verb' has no section"
        continue
      }
      diff <(described "$verb") <(offered "$verb") |
        sed -n "s/^< \(.*\)/option '\1' of '$verb' is described and not there/p
          s/^> \(.*\)/option '\1' of '$verb' is not described/p"
    done
  }
  nothing "verbs and options of xenblacklist(8) are those of --help" undescribed
  # A section of a verb that is not there.
  gone() {
    awk '/^\.Sh/ { on = /^\.Sh VERBS/ } on && sub(/^\.Ss /, "")' data/man/xenblacklist.8 |
      grep -vxF "$("$program" --list-verbs)"
  }
  nothing "every verb that is described is there" gone
fi
plan
