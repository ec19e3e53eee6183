#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# A day in an administrator's life: an advisory comes in, and by the evening the list is what the
# registry means although somebody has been at it with the stock tools. Once as text, once as JSON.

load cli
load sandbox

setup() {
  sandbox_start
  cli_setup
  mkdir logs run
  printf '[observe]\nlogs = %s/logs/*\n[policy]\nimpact = refuse\n' "$PWD" >host.conf
  export XENBLACKLIST_CONFIG=host.conf
  export NO_FAKE_STAT=1 # libfaketime leaves the files' times alone
  root=/mh/driver-blacklist
  running
}

teardown() {
  sandbox_stop
}

log() {
  cat "$SRCDIR/tests/data/logs/$2" >>"logs/$1"
  touch -d "2026-11-$3 08:00:00" "logs/$1"
}

# Three guests run, one of them without a log; an older log is rotated and compressed.
running() {
  log qemu-dm-web.log.1 console-dated 18
  gzip logs/qemu-dm-web.log.1
  touch -d '2026-11-18 08:00:00' logs/qemu-dm-web.log.1.gz
  log guest-work-dm.log stubdom 19
  log qemu-dm-evil.log hostile 19
  local id name
  for id in 3:web 4:work 5:mail; do
    name=${id#*:} id=${id%:*}
    xenstore-write "/local/domain/$id/name" "$name" "/libxl/$id/type" hvm \
      "/libxl/$id/dm-version" "$([ "$name" = mail ] && echo qemu_xen || echo qemu_xen_traditional)"
  done
}

sunday() {
  export XB_NOW='2026-11-22 12:00:00'
}

meddle() {
  xenstore-rm "$root/experimental/590080"
  xenstore-write "$root/experimental/590081" xb1:nobody
  xenstore-chmod "$root/experimental/590082" n0
  xenstore-write "$root/experimental/007" xb1:mine
  xenstore-write "$root/experimental/42" mine
}

tree() {
  xenstore-ls -f "$root" | sed "s|^$root/||; s/ = / /" | sort
}


@test "the day" {
  # Morning: who runs what?
  xb 0 guests --scan <<'END'
GUEST  PRODUCT                   BUILD  VERSION  VERDICT      SOURCE  TRUST    LAST SEEN
work   1 xensource-windows       86451  86451    blacklisted  log     claimed  2026-11-19T08:00:00Z
work   2 gplpv-windows               1           allowed      log     claimed  2026-11-19T08:00:00Z
work   65535 experimental   2147483648           allowed      log     claimed  2026-11-19T08:00:00Z
web    65535 experimental       590080  9.1.0    blacklisted  log     claimed  2026-11-18T08:00:00Z
--
xenblacklist: guests: 3 log files, 0 of them unchanged, 0 unreadable; 3 running guests
END

  # An advisory: it would hit a guest, and that is this host's policy to refuse.
  xb 65 add 65535 xen-win:9.1.0..9.1.3 --reason 'any user becomes SYSTEM' --id XSA-468 <<'END'
--
xenblacklist: add: 4 builds, 4 nodes
xenblacklist: add: warning: guest 'web' would lose its driver: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'XSA-468'
xenblacklist: add: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590080 --owner OWNER --reason REASON
xenblacklist: add: whether this hits 1 of 3 running guests is not known, they were never seen with a driver: 'mail'
xenblacklist: add: IMPACT: guest 'web' would lose its driver to entry 'XSA-468', and '[policy] impact = refuse': make an exception, or say '--accept-impact'
END
  # Its owner wants two days.
  xb 0 exception add 65535 590080 --owner web-team --reason 'updates on Sunday' --expires +2d <<'END'
exception-1
--
xenblacklist: exception add: no node waits for 'xenblacklist apply'
END
  xb 0 add 65535 xen-win:9.1.0..9.1.3 --reason 'any user becomes SYSTEM' --id XSA-468 <<'END'
XSA-468
--
xenblacklist: add: 4 builds, 4 nodes
xenblacklist: add: whether this hits 1 of 3 running guests is not known, they were never seen with a driver: 'mail'
xenblacklist: add: of 2 guests seen with a driver none is newly hit
xenblacklist: add: 7 nodes wait for 'xenblacklist apply'
END
  xb 0 list <<'END'
ID       PRODUCT       BUILDS                COUNT  MODE     PUBLISH  ORIGIN  PHASE   EXPIRES  REASON
XSA-468  experimental  xen-win:9.1.0..9.1.3      4  enforce  nodes    local   active           any user becomes SYSTEM

EXCEPTION    PRODUCT       BUILDS  OWNER     PHASE   EXPIRES               REASON
exception-1  experimental  590080  web-team  active  2026-11-22T12:00:00Z  updates on Sunday
END

  # Read first, then do exactly that.
  xb 1 plan --exit-code --out today.plan <<'END'
+ . r0  xb1:
+ _products r0  xb1:
+ _products/65535 r0  experimental
+ experimental r0  xb1:
+ experimental/590081 r0  xb1:XSA-468
+ experimental/590082 r0  xb1:XSA-468
+ experimental/590083 r0  xb1:XSA-468
7 nodes to add, 0 changed, 0 removed
--
xenblacklist: plan: exception 'exception-1' of web-team: product 65535, 590080, until 2026-11-22T12:00:00Z
xenblacklist: plan: whether this hits 1 of 3 running guests is not known, they were never seen with a driver: 'mail'
xenblacklist: plan: of 2 guests seen with a driver none is newly hit
END
  xb_status 0 apply --plan today.plan
  [ "$(tail -n 1 got.out)" = '7 nodes added, 0 changed, 0 removed' ]
  xb 0 check 65535 590080 <<<'allowed: exception exception-1 (owner web-team, until 2026-11-22T12:00:00Z) from XSA-468: updates on Sunday'
  xb_status 1 check --live 65535 xen-win:9.1.2

  # Sunday: the exception ends. The guest was never updated, so the policy speaks again.
  sunday
  xb_status 65 apply
  grep -q "IMPACT: guest 'web' would lose its driver to entry 'XSA-468'" got.err
  xb 0 apply --accept-impact=XSA-468 <<'END'
1 node added, 0 changed, 0 removed
--
xenblacklist: apply: guest 'web' would lose its driver: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'XSA-468', accepted
xenblacklist: apply: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590080 --owner OWNER --reason REASON
xenblacklist: apply: whether this hits 1 of 3 running guests is not known, they were never seen with a driver: 'mail'
END
  tree >good

  # Afternoon: somebody meddles.
  meddle
  xb_status 1 audit --run-directory run
  for finding in 'missing .*experimental/590080' 'wrong-value .*experimental/590081' \
    'wrong-access .*experimental/590082' 'wrong-spelling .*experimental/007' \
    'foreign .*experimental/42' 'unenforced .*mail'; do
    grep -q "^$finding" got.out || { echo "no '$finding' in:" && cat got.out && return 1; }
  done
  xb_status 1 audit --repair --run-directory run
  xenstore-rm "$root/experimental/42"
  tree | diff good -
  xb_status 1 audit --run-directory run
  lacks '^\(missing\|wrong\|foreign\|extra\)' got.out

  # Evening: why does web have no network?
  xb_status 0 explain 65535 xen-win:9.1.0 --run-directory run
  grep -q '^Meant: blacklisted: entry XSA-468 covers it and no exception allows it$' got.out
  grep -q 'exception exception-1' got.out
  grep -q "web" got.out
  grep -q "^  /mh/driver-blacklist/experimental/590080: there; readable by dom0 and stub domains$" got.out
  grep -q '^  traditional: 0xd249, blacklisted$' got.out
  xb_status 1 simulate 65535 590080 --device-model traditional
  xb_status 0 status
  grep -q '^Drift  *none$' got.out
  xb_status 0 history --verify
}

@test "the same day in JSON" {
  run_json 0 guests --scan
  [ "$(json '[.scan.files, (.sightings | length)]')" = '[3,4]' ]
  run_json 65 add 65535 xen-win:9.1.0..9.1.3 --reason 'any user becomes SYSTEM' --id XSA-468
  [ "$(json .code)" = '"IMPACT"' ]
  run_json 0 add 65535 xen-win:9.1.0..9.1.3 --reason 'any user becomes SYSTEM' --id XSA-468 --mode audit
  [ "$(json '[.node_cost, .impact.policy, .impact.unseen, (.impact.guests[] | [.guest, .version, .trust, .effect])]')" = \
    '[0,"refuse",["mail"],["web","9.1.0","claimed","audited"]]' ]
  run_json 0 remove XSA-468
  run_json 0 exception add 65535 590080 --owner web-team --reason 'updates on Sunday' --expires +2d
  run_json 0 add 65535 xen-win:9.1.0..9.1.3 --reason 'any user becomes SYSTEM' --id XSA-468
  [ "$(json '[.build_count, .node_cost, .waiting, .impact.guests]')" = '[4,4,7,[]]' ]
  run_json 0 list
  [ "$(json '[.entries[0].id, .exceptions[0].owner]')" = '["XSA-468","web-team"]' ]
  run_json 1 plan --exit-code --out today.plan
  [ "$(json '[.counts.add, .exceptions, .impact.refused]')" = '[7,["exception-1"],0]' ]
  run_json 0 apply --plan today.plan
  run_json 0 check 65535 590080
  [ "$(json '[.blacklisted, .exception]')" = '[false,"exception-1"]' ]

  sunday
  run_json 0 plan
  [ "$(json '[.impact.refused, (.impact.guests[] | [.guest, .accepted, .exception])]')" = \
    '[1,["web",false,"xenblacklist exception add 65535 590080 --owner OWNER --reason REASON"]]' ]
  run_json 65 apply
  [ "$(json .code)" = '"IMPACT"' ]
  run_json 0 apply --accept-impact=XSA-468
  [ "$(json '[.counts.add, .impact.guests[0].accepted]')" = '[1,true]' ]
  tree >good

  meddle
  run_json 1 audit --run-directory run
  [ "$(json '[.findings[] | .class] | map(select(. == "missing" or . == "foreign" or startswith("wrong"))) | sort')" = \
    '["foreign","missing","wrong-access","wrong-spelling","wrong-value"]' ]
  run_json 1 audit --repair --run-directory run
  [ "$(json '[.repair, ([.findings[] | select(.repaired)] | length)]')" = '[true,4]' ]
  xenstore-rm "$root/experimental/42"
  tree | diff good -
  run_json 0 explain 65535 xen-win:9.1.0 --run-directory run
  [ "$(json '[.blacklisted, .answers.traditional, .nodes[0].there, .entries[0].decides]')" = \
    '[true,53833,true,true]' ]
  [ "$(json '[.guests[].guest]')" = '["web"]' ]
  run_json 1 simulate 65535 590080 --device-model traditional
  run_json 0 status
  [ "$(json '[.drift[]] | add')" = 0 ]
  run_json 0 history --verify
  [ "$(json .intact)" = true ]
}

@test "status: which dates come, and which wait for apply" {
  xb_status 0 add 3 5 --reason a --id T-1 --not-before 2026-11-22
  xb_status 0 add 3 6 --reason a --id T-2 --expires 2026-11-23
  xb_status 0 add 3 7 --reason a --id T-3 --not-before 2027-01-01
  xb_status 0 exception add 3 6 --reason a --owner b --expires 2026-11-22T06:00:00Z
  xb_status 0 apply
  xb_status 0 status
  grep -qx "Due  *entry 'T-1' begins 2026-11-22T00:00:00Z, exception 'exception-1' of b expires 2026-11-22T06:00:00Z, entry 'T-2' expires 2026-11-23T00:00:00Z" got.out
  sunday
  run_json 0 status
  [ "$(json '[.due, (.dates[] | [.kind, .id, .what, .waits])]')" = \
    '[3,["entry","T-1","begins",true],["exception","exception-1","expires",true],["entry","T-2","expires",false]]' ]
  xb_status 0 status
  grep -q "^Due  *entry 'T-1' begins 2026-11-22T00:00:00Z (waits for apply), " got.out
  xb_status 0 apply
  run_json 0 status
  [ "$(json '[.dates[].id]')" = '["T-2"]' ]
}
