# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by the gates (tests/check-*.sh): one TAP line a command, its output when it fails.
set -u
top=${SRCDIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
tap_n=0
cd "$top" || exit 99

# must DESCRIPTION COMMAND...: the command succeeds.
must() {
  local what=$1 out
  shift
  tap_n=$((tap_n + 1))
  if out=$("$@" 2>&1); then
    echo "ok $tap_n - $what"
  else
    echo "not ok $tap_n - $what"
    # shellcheck disable=SC2001
    sed 's/^/# /' <<<"$out"
  fi
}

# nothing DESCRIPTION COMMAND...: the command prints nothing.
nothing() {
  local what=$1
  shift
  must "$what" silent "$@"
}
silent() {
  local out
  out=$("$@" 2>&1)
  [ -z "$out" ] || {
    echo "$out"
    return 1
  }
}

skip() {
  tap_n=$((tap_n + 1))
  echo "ok $tap_n - $1 # SKIP $2"
}

plan() { echo "1..$tap_n"; }

# Sources of a kind, without what a build leaves in the tree.
c_files() { find registry sync device cli tests -name '*.[ch]' 2>/dev/null | sort; }
shell_files() {
  find bootstrap .ci tests data -type f ! -name '*.bats' -exec \
    awk 'FNR == 1 && (/^#!.*\/(env )?(ba|da)?sh/ || /shellcheck shell=/) { print FILENAME } { nextfile }' {} + 2>/dev/null
  find tests -name '*.bash' | sort
}
bats_files() { find tests -name '*.bats' | sort; }
