#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The configuration file: every key, what is wrong with one, and who wins.

load cli

setup() {
  cli_setup
}

# config_error TEXT MESSAGE: what stands in conf after "conf ".
config_error() {
  printf '%s' "$1" >conf
  xb 78 status --config conf <<END
--
xenblacklist: status: 'conf' line $2
END
}

@test "the shipped file holds the defaults, as comments and when uncommented" {
  xb_status 0 status --config "$SRCDIR/data/xenblacklist.conf"
  sed -E 's/^#([a-z-]+ =)/\1/; s/sha256.*//' "$SRCDIR/data/xenblacklist.conf" >all.conf
  xb_status 0 status --config all.conf
  [ "$(grep -cE '^[a-z-]+ =' all.conf)" = 17 ]
}

@test "an unknown key or section names file, line and the nearest one" {
  config_error $'# c\n[upstream]\nurll = https://x/\n' \
    "3: unknown key 'urll' in [upstream], did you mean 'url'?"
  config_error $'[upstraem]\nurl = https://x/\n' \
    "2: unknown section 'upstraem', did you mean 'upstream'?"
  config_error $'[policy]\nurl = https://x/\n' \
    "2: unknown key 'url' in [policy], it belongs to [upstream]"
  config_error $'[policy]\nzzzzzzzzz = 1\n' "2: unknown key 'zzzzzzzzz' in [policy]"
  config_error $'url = https://x/\n' "1: key 'url' stands before any [section]"
}

@test "bad values" {
  config_error $'[upstream]\nurl = http://x/\n' "2: url 'http://x/' does not begin with https://"
  config_error $'[upstream]\nmirrors = https://x/ http://y/\n' "2: mirrors 'http://y/' does not begin with https://"
  config_error $'[upstream]\npinned-public-key = abc=\n' \
    "2: pinned-public-key 'abc=' does not begin with sha256//"
  config_error $'[upstream]\nthreshold = 0\n' "2: threshold '0' is not a number from 1 to 64"
  config_error $'[upstream]\ntimeout = soon\n' "2: timeout 'soon' is not a number from 1 to 86400"
  config_error $'[upstream]\nretries = -1\n' "2: retries '-1' is not a number from 0 to 100"
  config_error $'[upstream]\nmax-size = 9 GiB\n' \
    "2: max-size '9 GiB' is not a size from 1 to 1073741824 bytes (KiB, MiB and GiB may follow)"
  config_error $'[publish]\nnode-access = some\n' \
    "2: node-access 'some' is neither 'all' nor 'dom0'"
  config_error $'[publish]\nexpand-limit = 4294967296\n' \
    "2: expand-limit '4294967296' is not a number from 1 to 4294967295"
  config_error $'[policy]\nfamily = yes\n' "2: family 'yes' is neither 'refuse' nor 'allow'"
  config_error $'[policy]\nimpact =\n' "2: impact '' is neither 'warn' nor 'refuse'"
}

@test "lines that are none" {
  config_error $'[upstream]\nnonsense\n' "2: is neither '[section]' nor 'key = value'"
  config_error $'[upstream\n' "1: is neither '[section]' nor 'key = value'"
  config_error $'[policy]\nfamily = allow\nfamily = refuse\n' \
    "3: key 'family' in [policy] stands here a second time"
  printf '[policy]\nfamily = allow\0\n' >conf
  xb 78 status --config conf <<'END'
--
xenblacklist: status: 'conf' line 2: holds a NUL byte
END
  { echo '[observe]'; printf 'logs = %05000d\n' 1; } >conf
  xb 78 status --config conf <<'END'
--
xenblacklist: status: 'conf' line 2: longer than 4094 bytes
END
  config_error $'[upstream]\n\e[31m = 1\n' "2: unknown key '\\x1b[31m' in [upstream]"
}

@test "sizes, lists, comments and spaces" {
  cat >conf <<'END'
; a comment
[upstream]
  max-size = 8 MiB   ; behind a value
mirrors = https://a/ https://b/
mirrors = https://c/
ca-file =
[observe]
logs = /var/log/a*.log	/var/log/b*
END
  xb_status 0 status --config conf
}

@test "a file that is named must be there, the default need not" {
  xb 78 status --config missing.conf <<'END'
--
xenblacklist: status: cannot read configuration 'missing.conf': No such file or directory
END
  XENBLACKLIST_CONFIG=missing.conf xb_status 78 status
  mkdir dir
  xb_status 78 status --config dir
}

@test "the option wins over the environment" {
  echo '[zzz]' >bad.conf
  echo 'a = b' >>bad.conf
  XENBLACKLIST_CONFIG=bad.conf xb_status 78 status
  XENBLACKLIST_CONFIG=bad.conf xb_status 0 status --config empty.conf
}

@test "a configuration that is named has to be right, whatever the verb" {
  echo '[upstream]
urll = https://x/' >conf
  xb 78 list --config conf <<'END'
--
xenblacklist: list: 'conf' line 2: unknown key 'urll' in [upstream], did you mean 'url'?
END
  xb_status 78 check 3 1 --config none
}
