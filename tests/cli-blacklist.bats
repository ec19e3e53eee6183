#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# The administrator's verbs, from the registry to a real xenstore and back.

load cli
load sandbox

setup() {
  sandbox_start
  cli_setup
}

teardown() {
  sandbox_stop
}

nodes() {
  xenstore-list "/mh/driver-blacklist/$1" 2>/dev/null | sort -n | tr '\n' ' '
}

@test "add, plan, apply, check, remove" {
  xb 0 add 65535 xen-win:8.2.0..8.2.2 --reason 'they crash' --id XSA-468 \
    --reference https://xenbits.xen.org/xsa/advisory-468.html <<'END'
XSA-468
--
xenblacklist: add: 3 builds, 3 nodes
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: 7 nodes wait for 'xenblacklist apply'
END
  xb 0 list <<'END'
ID       PRODUCT       BUILDS                COUNT  MODE     PUBLISH  ORIGIN  PHASE   EXPIRES  REASON
XSA-468  experimental  xen-win:8.2.0..8.2.2      3  enforce  nodes    local   active           they crash
END
  xb 1 plan --exit-code <<'END'
+ . r0  xb1:
+ _products r0  xb1:
+ _products/65535 r0  experimental
+ experimental r0  xb1:
+ experimental/524800 r0  xb1:XSA-468
+ experimental/524801 r0  xb1:XSA-468
+ experimental/524802 r0  xb1:XSA-468
7 nodes to add, 0 changed, 0 removed
--
xenblacklist: plan: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb 1 check 65535 xen-win:8.2.1 <<<'blacklisted: XSA-468: they crash'
  xb 0 check --live 65535 524801 <<<'allowed'
  xb 0 apply <<'END'
7 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb 0 plan --exit-code <<<'nothing to do'
  [ "$(nodes experimental)" = '524800 524801 524802 ' ]
  [ "$(xenstore-read /mh/driver-blacklist/experimental/524801)" = xb1:XSA-468 ]
  xb 1 check --live 65535 524801 <<<'blacklisted: /mh/driver-blacklist/experimental/524801'
  xb 1 check --live experimental xen-win:8.2.1 \
    <<<'blacklisted: /mh/driver-blacklist/experimental/524801'
  xb 0 check experimental xen-win:9.1.0 <<<'allowed'
  xb 0 remove XSA-468 --apply <<'END'
XSA-468
--
xenblacklist: remove: 7 nodes changed in xenstore
END
  xb 0 check --live 65535 524801 <<<'allowed'
  xb 0 apply <<<'nothing to do'
}

@test "the same in JSON" {
  run_json 0 add 65535 xen-win:8.2.0..8.2.2 --reason 'they crash' --expires 2027-01-01
  [ "$(json '[.entry.id, .build_count, .node_cost, .waiting, .entry.expires]')" = \
    '["local-1",3,3,7,"2027-01-01T00:00:00Z"]' ]
  run_json 0 list
  [ "$(json '.entries[0] | [.product_name, .build_count, .phase]')" = '["experimental",3,"active"]' ]
  run_json 1 plan --exit-code
  [ "$(json '[.counts.add, (.changes | length), .changes[2].path]')" = '[7,7,"_products/65535"]' ]
  run_json 0 apply --dry-run
  [ "$(json .dry_run)" = true ]
  run_json 0 apply
  [ "$(json '[.counts.add, .dry_run]')" = '[7,false]' ]
  run_json 1 check 65535 524801
  [ "$(json '[.blacklisted, .entry, .source]')" = '[true,"local-1","registry"]' ]
  run_json 1 check 65535 524801 --live
  [ "$(json '[.path, .source]')" = '["/mh/driver-blacklist/experimental/524801","xenstore"]' ]
  run_json 0 exception add 65535 524801 --reason needed --owner ops --apply
  [ "$(json '[.exception.id, .applied]')" = '["exception-1",1]' ]
  run_json 0 exception list
  [ "$(json '.exceptions[0].owner')" = '"ops"' ]
  run_json 0 check 65535 524801
  [ "$(json '[.blacklisted, .entry, .exception]')" = '[false,"local-1","exception-1"]' ]
  run_json 0 exception remove exception-1
  [ "$(json '[.removed, .waiting]')" = '["exception-1",1]' ]
  run_json 0 remove 65535 524800..524802
  [ "$(json .removed)" = '["local-1"]' ]
  run_json 0 status
  [ "$(json '[.state, .xenstore, .drift.extra]')" = "[\"warning\",\"$SANDBOX_KIND\",6]" ]
  run_json 0 history --verify
  [ "$(json .intact)" = true ]
}

@test "exceptions: allowed here, seen in every listing, gone with their date" {
  xb 0 add 65535 xen-win:8.2.0..8.2.2 --reason bad -q <<<local-1
  xb 0 exception add 65535 xen-win:8.2.1 --reason 'we need it' --owner ops --expires +30d <<'END'
exception-1
--
xenblacklist: exception add: 6 nodes wait for 'xenblacklist apply'
END
  xb 0 list <<'END'
ID       PRODUCT       BUILDS                COUNT  MODE     PUBLISH  ORIGIN  PHASE   EXPIRES  REASON
local-1  experimental  xen-win:8.2.0..8.2.2      3  enforce  nodes    local   active           bad

EXCEPTION    PRODUCT       BUILDS         OWNER  PHASE   EXPIRES               REASON
exception-1  experimental  xen-win:8.2.1  ops    active  2026-12-20T12:00:00Z  we need it
END
  xb 0 list --expiring=+60d <<'END'

EXCEPTION    PRODUCT       BUILDS         OWNER  PHASE   EXPIRES               REASON
exception-1  experimental  xen-win:8.2.1  ops    active  2026-12-20T12:00:00Z  we need it
END
  xb 0 check 65535 524801 <<<'allowed: exception exception-1 (owner ops, until 2026-12-20T12:00:00Z) from local-1: we need it'
  xb_status 0 apply
  [ "$(nodes experimental)" = '524800 524802 ' ]
  xb 0 exception remove exception-1 --apply <<'END'
exception-1
--
xenblacklist: exception remove: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: exception remove: 1 node changed in xenstore
END
  [ "$(nodes experimental)" = '524800 524801 524802 ' ]
  xb 66 exception remove exception-1 <<'END'
--
xenblacklist: exception remove: no exception 'exception-1'
END
  xb 64 exception add 65535 524801 --reason x <<'END'
--
xenblacklist: exception add: '--reason' and '--owner' are both needed
END
}

@test "dates: waiting, active, expired" {
  xb_status 0 add 65535 1 --reason a --not-before 2026-12-01
  xb_status 0 add 65535 2 --reason b --expires 2026-11-19
  grep -q "warning: the date of '--expires' has passed already" got.err
  xb_status 0 add 65535 3 --reason c --not-before 2026-11-20T12:00:00Z --expires +1d
  xb 0 list <<'END'
ID       PRODUCT       BUILDS  COUNT  MODE     PUBLISH  ORIGIN  PHASE                               EXPIRES               REASON
local-1  experimental  1           1  enforce  nodes    local   waiting until 2026-12-01T00:00:00Z                        a
local-2  experimental  2           1  enforce  nodes    local   expired                             2026-11-19T00:00:00Z  b
local-3  experimental  3           1  enforce  nodes    local   active                              2026-11-21T12:00:00Z  c
END
  xb_status 0 apply
  [ "$(nodes experimental)" = '3 ' ]
  xb 65 add 65535 4 --reason d --not-before 2026-12-02 --expires 2026-12-01 <<'END'
--
xenblacklist: add: 1 build, 1 node
xenblacklist: add: entry 'local-4' expires before it begins
END
}

@test "audit mode publishes nothing" {
  xb 0 add 65535 linux-kvc8:5.10.0..5.10.255 --reason many --mode audit <<'END'
local-1
--
xenblacklist: add: 256 builds, audit only: no node is published
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: no node waits for 'xenblacklist apply'
END
  xb 0 check 65535 linux-kvc8:5.10.3 <<<'allowed: audit only: local-1: many'
}

@test "both spellings from 2^31 up" {
  xb 0 add 65535 2147483647..2147483648,4294967295 --reason ends --apply <<'END'
local-1
--
xenblacklist: add: 3 builds, 5 nodes
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: 9 nodes changed in xenstore
END
  [ "$(nodes experimental)" = '-2147483648 -1 2147483647 2147483648 4294967295 ' ]
  for build in 2147483647 2147483648 4294967295; do
    xb 1 check 65535 "$build" <<<'blacklisted: local-1: ends'
    xb_status 1 check --live 65535 "$build"
  done
}

@test "a whole family, and too many nodes: refused, with the ways out" {
  xb 65 add 3 all --reason x <<'END'
--
xenblacklist: add: TRIPWIRE: 'all' stands for every version of 'linux', now and in future: say '--whole-family' if that is meant
END
  xb 65 add 3 const:1:5.10 --reason x <<'END'
--
xenblacklist: add: every version has the build 1 in const:1
xenblacklist: add: TRIPWIRE: 'const:1:5.10' stands for every version of 'linux', now and in future: say '--whole-family' if that is meant
END
  xb 65 add 3 0..9 --reason x <<'END'
--
xenblacklist: add: every version has the build 1 in const:1
xenblacklist: add: TRIPWIRE: '0..9' stands for every version of 'linux', now and in future: say '--whole-family' if that is meant
END
  xb 65 add 3 2..100001 --reason x <<'END'
--
xenblacklist: add: BUDGET: 100000 builds cost 100000 nodes, more than expand-limit 4096: name a narrower set, or publish it with '--as-range' (xenblacklistd enforces it, stock device models do not see it)
END
  run_json 65 add 3 2..100001 --reason x
  [ "$(json .code)" = '"BUDGET"' ]
  xb 0 list </dev/null
  xb 0 add 3 2..100001 --reason x --as-range --apply <<'END'
local-1
--
xenblacklist: add: 100000 builds, published as a range: stock device models do not see it, xenblacklistd does
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: 6 nodes changed in xenstore
xenblacklist: add: 1 of them is published as a range: stock device models do not see it, xenblacklistd does
END
  xb 1 check --live 3 77777 <<<'blacklisted: /mh/driver-blacklist/linux/_ranges/2-100001'
  xb 0 check --live 3 100002 <<<allowed
  xb_status 0 add 2 const:1:0.11 --reason x --whole-family
}

@test "versions as a range: every number between them, in what is told too" {
  xb 0 add 65535 linux-kvc8:5.10.0..5.10.255 --reason x --as-range <<'END'
local-1
--
xenblacklist: add: 256 builds of versions, and as a range all numbers between them too
xenblacklist: add: 65281 builds, published as a range: stock device models do not see it, xenblacklistd does
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: 6 nodes wait for 'xenblacklist apply'
END
  run_json 0 list
  [ "$(json '.entries[0].build_count')" = 65281 ]
  xb 1 check 65535 linux-kvc8:5.10.0 <<<'blacklisted: local-1: x'
  xb 1 check 65535 84541441 <<<'blacklisted: local-1: x'
  run_json 0 add 65535 linux-kvc8:5.11.* --reason x --as-range --mode audit
  [ "$(json '[.build_count, .node_cost]')" = '[65281,0]' ]
  xb 0 remove 65535 linux-kvc8:5.10.* -q <<<local-1
}

@test "all entries together have a limit too" {
  printf '[publish]\ntotal-limit = 10\n' >small.conf
  xb_status 0 add 65535 1..5 --reason a --config small.conf
  xb_status 65 add 65535 11..16 --reason b --config small.conf
  grep -q 'BUDGET' got.err
  xb_status 0 add 65535 11..16 --reason b --as-range --config small.conf
  # What begins later is counted when it begins.
  xb_status 65 add 65535 21..26 --reason c --not-before +1d --config small.conf
  grep -q 'BUDGET' got.err
  xb_status 0 add 65535 21..23 --reason c --not-before +1d --config small.conf
}

@test "an exception that would leave a range in too many pieces is refused" {
  xb_status 0 add 65535 33554432..200000000 --reason a --as-range
  xb 65 exception add 65535 linux-kvc8:2.0.0..9.255.255 --reason b --owner c <<'END'
--
xenblacklist: exception add: BUDGET: exception 'exception-1' leaves ranges in pieces: the blacklist costs 133693186 nodes in xenstore and the limit (total-limit) is 16384; name fewer builds, or publish large entries with --as-range, which xenblacklistd sees and stock device models do not
END
  xb 0 exception list </dev/null
  xb_status 0 plan
  xb_status 0 exception add 65535 40000000..40000100 --reason b --owner c
  # Over the limit for another reason: exceptions come and go all the same.
  xb_status 0 add 65535 1..20 --reason a
  printf '[publish]\ntotal-limit = 10\n' >small.conf
  xb_status 65 plan --config small.conf
  xb_status 0 exception add 65535 5 --reason b --owner c --config small.conf
  xb_status 0 exception remove exception-2 --config small.conf
}

@test "remove: by id, by what it covers, never by half" {
  xb_status 0 add 65535 xen-win:8.2.0..8.2.2 --reason a
  xb_status 0 add 65535 524800,524801,524802 --reason b
  xb 66 remove 65535 524801 <<'END'
--
xenblacklist: remove: no entry of 'experimental' is exactly '524801'; entry 'local-1' shares builds with it: remove it by its id
END
  xb 66 remove 65535 9 <<'END'
--
xenblacklist: remove: no entry of 'experimental' is exactly '9'
END
  xb 66 remove nope <<'END'
--
xenblacklist: remove: no entry 'nope'
END
  xb 0 remove 65535 524800..524802 -q <<'END'
local-1
local-2
END
  xb 0 list </dev/null
}

@test "saved plans: done as shown, or stale and nothing done" {
  xb_status 0 add 65535 5 --reason a
  xb_status 0 plan --out one.plan
  xb_status 0 plan --out two.plan
  cmp one.plan two.plan
  xb 0 apply --plan one.plan <<'END'
5 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb 65 apply --plan two.plan <<'END'
--
xenblacklist: apply: STALE: the registry has changed since plan 'two.plan' was made, make a new one
END
  xb_status 0 plan --out none.plan
  xenstore-write /mh/driver-blacklist/other x
  xb 65 apply --plan none.plan <<'END'
--
xenblacklist: apply: STALE: xenstore has changed since plan 'none.plan' was made, make a new one
END
  xb_status 0 plan --out foreign.plan --prune
  xb 0 apply --plan foreign.plan <<<'0 nodes added, 0 changed, 1 removed'
  xb_status 0 add 65535 6 --reason b
  xb_status 0 plan --out edited.plan
  sed -i 's/experimental.6/experimental\/7/' edited.plan
  xb 65 apply --plan edited.plan <<'END'
--
xenblacklist: apply: STALE: plan 'edited.plan' is not what would be done now, make a new one
END
  echo garbage >garbage.plan
  xb 65 apply --plan garbage.plan <<'END'
--
xenblacklist: apply: 'garbage.plan' is no plan of this program
END
  xb_status 66 apply --plan missing.plan
  [ "$(nodes experimental)" = '5 ' ]
}

@test "a plan that was made for an empty tree is stale on another empty tree of another registry" {
  xb_status 0 add 65535 5 --reason a
  xb_status 0 plan --out p.plan
  xb_status 0 remove local-1
  xb_status 0 add 65535 5 --reason a --id local-x
  xb 65 apply --plan p.plan <<'END'
--
xenblacklist: apply: STALE: the registry has changed since plan 'p.plan' was made, make a new one
END
}

@test "a plan is stale when a date has come, or the configuration is another" {
  xb_status 0 add 65535 5 --reason a --expires +1d
  xb_status 0 plan --out p.plan
  XB_NOW='2026-11-22 12:00:00' xb 65 apply --plan p.plan <<'END'
--
xenblacklist: apply: STALE: what is to be published has changed (by a date or the configuration) since plan 'p.plan' was made, make a new one
END
  printf '[publish]\nnode-access = dom0\n' >dom0.conf
  xb_status 65 apply --plan p.plan --config dom0.conf
  grep -q 'STALE: what is to be published has changed' got.err
  xb_status 0 apply --plan p.plan
}

@test "drift: missing, foreign, wrong access, wrong value, wrong spelling" {
  xb_status 0 add 65535 1..4 --reason a --apply
  xenstore-rm /mh/driver-blacklist/experimental/1
  xenstore-write /mh/driver-blacklist/experimental/77 mine
  xenstore-chmod /mh/driver-blacklist/experimental/2 n0
  xenstore-write /mh/driver-blacklist/experimental/3 xb1:nobody
  xenstore-write /mh/driver-blacklist/experimental/0x9 xb1:local-1
  run_json 1 plan --exit-code
  [ "$(json '[.changes[] | .class] | sort')" = \
    '["foreign","missing","wrong-access","wrong-spelling","wrong-value"]' ]
  xb_status 2 status --nagios
  grep -q '^XENBLACKLIST CRITICAL - nodes are missing or unreadable' got.out
  xb 0 apply <<'END'
1 node added, 2 changed, 1 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: apply: 1 node made by somebody else, left alone (see '--prune')
END
  [ "$(xenstore-read /mh/driver-blacklist/experimental/77)" = mine ]
  xb_status 1 status --nagios
  xb 0 apply --prune <<<'0 nodes added, 0 changed, 1 removed'
  xb_status 0 status --nagios
}

@test "status: one screen, one line, metrics" {
  xb_status 0 add 65535 1 --reason a --apply
  xb 0 status <<END
State        ok
Program      xenblacklist $(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' "${BUILDDIR:-.}/config.h")
Registry     ./registry.db, generation 3
Products     7
Entries      1 enforced, 0 audited, 0 waiting, 0 expired
Exceptions   0
Manifest     none yet
Nodes        5 wanted
Xenstore     $SANDBOX_KIND
Drift        none
Enforcement  no HVM guest runs
Sightings    0
END
  xb 0 status --nagios <<'END'
XENBLACKLIST OK - xenstore is as the registry means it | entries=1 nodes=5 drift=0;0;; exceptions=0 conflicts=0 unenforced=0 sightings=0
END
  xb 0 status --prometheus metrics.prom </dev/null
  grep -qx 'xenblacklist_xenstore_up 1' metrics.prom
  grep -qx 'xenblacklist_drift{class="missing"} 0' metrics.prom
  [ -z "$(sed -E '/^# (HELP|TYPE) xenblacklist_[a-z_]+ ./d
    /^xenblacklist_[a-z_]+(\{[a-z]+="[^"]*"\})? [0-9]+$/d' metrics.prom)" ]
  xenstore-write /local/domain/1/name guest /libxl/1/type hvm /libxl/1/dm-version qemu_xen
  xb_status 1 status --nagios
  grep -q 'nobody enforces the list for some guests.* unenforced=1 ' got.out
  run_json 0 status
  [ "$(json .enforcement.none)" = 1 ]
  xb_status 0 status --prometheus metrics.prom
  grep -qx 'xenblacklist_guests{enforcer="none"} 1' metrics.prom
  xb_status 73 status --prometheus missing/dir/file
  xb_status 74 status --prometheus /dev/full
  xb_status 3 status --nagios --registry /dev/null/nothing
  grep -q '^XENBLACKLIST UNKNOWN - ' got.out
  xb_status 3 status --nagios --config 'none | drift=0'
  grep -q "^XENBLACKLIST UNKNOWN - [^|]*'none ! drift=0'" got.out
  lacks '|' got.out
  xb_status 78 status --config 'none | drift=0'
}

@test "a xenstore that has gone: 69, and the registry keeps what was added" {
  sandbox_kill
  xb_status 69 plan
  xb_status 69 apply
  xb_status 69 check --live 3 1
  xb_status 0 add 65535 1 --reason a
  grep -q "how many nodes wait for 'xenblacklist apply' is not known" got.err
  run_json 0 add 65535 2 --reason b
  [ "$(json .waiting)" = null ]
  xb_status 69 add 65535 3 --reason c --apply
  grep -q 'the registry is changed, xenstore is not' got.err
  run_json 0 list
  [ "$(json '.entries | length')" = 3 ]
  # What is not known is left out, not zero.
  xb 2 status --nagios <<'END'
XENBLACKLIST CRITICAL - xenstore cannot be reached | entries=3 nodes=7 exceptions=0 conflicts=0 sightings=0
END
  sandbox_again
  xb_status 0 apply
  [ "$(nodes experimental)" = '1 2 3 ' ]
}

@test "check - reads lines, tells the line of what is wrong, and answers the rest" {
  xb_status 0 add 65535 xen-win:8.2.0..8.2.2 --reason bad --apply
  printf '%s\n' '3 1' 'experimental xen-win:8.2.1' '' '  65535	524801 ' 'xenserver-windows-v7.2+ 0x7' \
    >lines
  XB_STDIN=lines xb 1 check - <<'END'
3 1 allowed
experimental xen-win:8.2.1 blacklisted: local-1: bad
65535 524801 blacklisted: local-1: bad
xenserver-windows-v7.2+ 0x7 allowed
END
  XB_STDIN=lines xb 1 check --live - <<'END'
3 1 allowed
experimental xen-win:8.2.1 blacklisted: /mh/driver-blacklist/experimental/524801
65535 524801 blacklisted: /mh/driver-blacklist/experimental/524801
xenserver-windows-v7.2+ 0x7 allowed
END
  XB_STDIN=lines run_json 1 check -
  [ "$(json '[.lines, (.answers | length), .answers[1].entry]')" = '[5,4,"local-1"]' ]
  printf '3 1\nfoo\nnobody 3\n3 \e[31m\n3 1\0\n%05000d 1\n65535 524801' 1 >lines
  XB_STDIN=lines xb 65 check - <<'END'
3 1 allowed
65535 524801 blacklisted: local-1: bad
--
xenblacklist: check: line 2: expected 'PRODUCT BUILD': 'foo'
xenblacklist: check: line 3: no product 'nobody'
xenblacklist: check: line 4: builds '\x1b[31m': column 1: unexpected byte 0x1b
xenblacklist: check: line 5: it holds a NUL byte
xenblacklist: check: line 6: it is longer than 4095 bytes
xenblacklist: check: 5 of 7 lines could not be checked
END
  XB_STDIN=lines run_json 65 check -
  [ "$(json '[.lines, (.answers | length), [.bad_lines[].line]]')" = '[7,2,[2,3,4,5,6]]' ]
  printf '3 1\n' >lines
  XB_STDIN=lines xb 0 check - <<<'3 1 allowed'
}

@test "check - is quick: 20,000 lines" {
  xb_status 0 add 65535 1..1000 --reason bad
  awk 'BEGIN { for (i = 0; i < 20000; i++) print 65535, i }' >lines
  XB_STDIN=lines xb_status 1 check -
  [ "$(grep -c ' blacklisted: ' got.out)" = 1000 ]
  [ "$(grep -c ' allowed$' got.out)" = 19000 ]
}

@test "progress: on a terminal, not in a file, not with -q" {
  xb_status 0 add 65535 1..3000 --reason a -q
  xb 0 apply <<'END'
3004 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb_status 0 remove local-1
  TERM=xterm script -qec "$XB apply" /dev/null </dev/null >tty.out
  grep -q 'nodes [0-9]*/[0-9]*' tty.out
  xb_status 0 add 65535 1..3000 --reason a -q
  TERM=xterm script -qec "$XB apply -q" /dev/null </dev/null >tty.out
  lacks 'nodes [0-9]*/' tty.out
}

@test "a name that is nearly right is told" {
  xb_status 0 add 65535 1 --reason a --id XSA-468
  xb 66 remove XSA-486 <<'END'
--
xenblacklist: remove: no entry 'XSA-486', did you mean 'XSA-468'?
END
  xb_status 0 exception add 65535 1 --reason a --owner b
  xb 66 exception remove exception1 <<'END'
--
xenblacklist: exception remove: no exception 'exception1', did you mean 'exception-1'?
END
}

@test "bytes that others wrote to xenstore never reach the terminal as they are" {
  xb_status 0 add 65535 1 --reason a --apply
  xenstore-write /mh/driver-blacklist/experimental/7 $'mine \e[31m\xff\x01'
  xenstore-write /mh/driver-blacklist/experimental/1 $'xb1:\e]0;title\a'
  for words in plan 'plan --prune' 'apply --dry-run -v' audit 'explain 65535 7' 'explain 65535 1' \
    'check --live 65535 7' 'plan --out saved'; do
    status=0
    # shellcheck disable=SC2086
    xb_run $words >got.out 2>got.err || status=$?
    [ "$status" -le 1 ]
    if LC_ALL=C grep $'[\x01-\x08\x0b-\x1f\x7f\xff]' got.out got.err; then return 1; fi
    # shellcheck disable=SC2086
    run_json "$status" $words
  done
  if LC_ALL=C grep $'[\x01-\x08\x0b-\x1f\x7f\xff]' saved; then return 1; fi
  xb_status 0 apply --plan saved
}

@test "a reason has room for 4096 bytes" {
  local reason
  reason=$(printf 'r%.0s' {1..4096})
  xb_status 0 add 65535 5 --id long --reason "$reason"
  run_json 0 list
  [ "$(json '.entries[0].reason | length')" = 4096 ]
  xb_status 64 add 65535 5 --reason "r$reason"
}
