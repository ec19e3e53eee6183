#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# Whom a change hits: told before it is made by every verb that makes one, and refused when that is
# the policy.

load cli
load origin
load sandbox

setup() {
  sandbox_start
  cli_setup
  mkdir logs
  printf '[observe]\nlogs = %s/logs/*\n' "$PWD" >warn.conf
  printf '[observe]\nlogs = %s/logs/*\n[policy]\nimpact = refuse\n' "$PWD" >refuse.conf
  export XENBLACKLIST_CONFIG=warn.conf
  export NO_FAKE_STAT=1 # libfaketime leaves the files' times alone
  root=/mh/driver-blacklist
}

teardown() {
  sandbox_stop
}

# ran GUEST DAY PRODUCT BUILD [LINE]: a log from which that is learnt.
ran() {
  printf 'Unknown PV product %s loaded in guest\nPV driver build %s\n%s' "$3" "$4" \
    "${5:+$5
}" >"logs/qemu-dm-$1.log"
  touch -d "2026-11-$2 08:00:00" "logs/qemu-dm-$1.log"
}

seen() {
  ran web 18 65535 590080
  ran db 19 65535 590081
  ran old 19 1 5
  xb_status 0 guests --scan
}

refuse() {
  export XENBLACKLIST_CONFIG=refuse.conf
}

untouched() {
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
}

@test "nobody was ever seen: unknown, not safe" {
  xb 0 add 65535 xen-win:9.1.0 --reason bad <<'END'
local-1
--
xenblacklist: add: 1 build, 1 node
xenblacklist: add: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: add: 5 nodes wait for 'xenblacklist apply'
END
  run_json 0 plan
  [ "$(json '.impact | [.policy, .refused, .guests_seen, .guests, .unseen]')" = \
    '["warn",0,0,[],[]]' ]
  xb 0 apply <<'END'
5 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb 0 apply <<<'nothing to do'
  xb 0 plan <<<'nothing to do'
}

@test "add names the guest, its driver, since when, how it is known and what to do" {
  seen
  xb 0 add 65535 xen-win:9.1.0 --reason bad <<'END'
local-1
--
xenblacklist: add: 1 build, 1 node
xenblacklist: add: warning: guest 'web' would lose its driver: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: add: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590080 --owner OWNER --reason REASON
xenblacklist: add: 5 nodes wait for 'xenblacklist apply'
END
  # Of those that were blacklisted already nothing new is told.
  xb 0 add 65535 590080 --reason again <<'END'
local-2
--
xenblacklist: add: 1 build, 1 node
xenblacklist: add: of 3 guests seen with a driver none is newly hit
xenblacklist: add: 5 nodes wait for 'xenblacklist apply'
END
  # The command does what it says.
  xb_status 0 exception add 65535 590080 --owner OWNER --reason REASON
  xb_status 0 check 65535 590080
}

@test "the same in JSON" {
  seen
  run_json 0 add 65535 xen-win:9.1.0..9.1.1 --reason bad
  [ "$(json '.impact | [.policy, .refused, .from, .guests_seen, (.guests | length)]')" = \
    '["warn",0,null,3,2]' ]
  [ "$(json '.impact.guests[1] | [.guest, .uuid, .product, .name, .build, .version, .effect,
    .was_blocked, .newer_build, .entry, .accepted, .source, .trust, .first_seen, .last_seen,
    .exception]')" = '["web",null,65535,"experimental",590080,"9.1.0","loses",false,null,"local-1",false,"log","claimed","2026-11-18T08:00:00Z","2026-11-18T08:00:00Z","xenblacklist exception add 65535 590080 --owner OWNER --reason REASON"]' ]
  run_json 0 plan
  [ "$(json '[.impact.guests[].guest]')" = '["db","web"]' ]
  run_json 0 exception add 65535 590080 --reason needed --owner ops
  run_json 0 plan
  [ "$(json '[[.impact.guests[].guest], .exceptions]')" = '[["db"],["exception-1"]]' ]
  run_json 0 apply
  [ "$(json '[.impact.guests[].guest]')" = '["db"]' ]
  run_json 0 exception remove exception-1
  [ "$(json '[.impact.guests[] | [.guest, .entry]]')" = '[["web","local-1"]]' ]
  run_json 0 apply
  [ "$(json '[.impact.guests[].guest]')" = '["web"]' ]
  run_json 0 apply
  [ "$(json '.impact | [.guests, .unseen]')" = '[[],null]' ]
}

@test "plan and apply compare with what is live" {
  seen
  xb_status 0 add 65535 590080..590081 --reason bad -q
  xb 0 plan <<'END'
+ . r0  xb1:
+ _products r0  xb1:
+ _products/65535 r0  experimental
+ experimental r0  xb1:
+ experimental/590080 r0  xb1:local-1
+ experimental/590081 r0  xb1:local-1
6 nodes to add, 0 changed, 0 removed
--
xenblacklist: plan: warning: guest 'db' would lose its driver: experimental 9.1.1, product 65535 build 590081, seen since 2026-11-19T08:00:00Z, last 2026-11-19T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: plan: warning: guest 'web' would lose its driver: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: plan: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590080 --owner OWNER --reason REASON
xenblacklist: plan: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590081 --owner OWNER --reason REASON
END
  xb_status 0 apply -q
  [ ! -s got.err ]
  xenstore-rm "$root/experimental/590080"
  xenstore-chmod "$root/experimental/590081" n0
  xb_status 0 plan
  grep -q "guest 'web' would lose" got.err
  grep -q "guest 'db' would lose" got.err
  # Only another value: it was blacklisted all the time.
  xb_status 0 apply
  xenstore-write "$root/experimental/590080" xb1:other
  xb 0 apply <<<'0 nodes added, 1 changed, 0 removed'
  # From nodes to a range and back: device models that know no ranges notice the second.
  xb_status 0 add 65535 590000..590099 --reason bad --as-range -q
  xb_status 0 remove local-1
  run_json 0 apply
  [ "$(json '.impact.guests')" = '[]' ]
  xb_status 0 add 65535 590080 --reason bad -q
  run_json 0 plan
  [ "$(json '[.impact.guests[].guest]')" = '["web"]' ]
}

@test "both spellings from 2^31 up" {
  ran big 19 65535 4294967295
  xb_status 0 guests --scan
  xb_status 0 add 65535 4294967295 --reason bad --apply
  grep -q "guest 'big' would lose" got.err
  xb 0 plan <<<'nothing to do'
  xenstore-rm "$root/experimental/"-1
  xb_status 0 apply
  grep -q "guest 'big' would lose" got.err
}

@test "add --apply tells it once" {
  seen
  xb_status 0 add 65535 xen-win:9.1.0 --reason bad --apply
  [ "$(grep -c "guest 'web'" got.err)" = 1 ]
  # What waited for apply is told when it is applied.
  xb_status 0 add 65535 590081 --reason bad -q
  xb_status 0 add 65535 7 --reason bad --apply
  grep -q "guest 'db' would lose" got.err
}

@test "audit mode: would have been blocked" {
  seen
  xb 0 add 65535 xen-win:9.1.0 --reason look --mode audit <<'END'
local-1
--
xenblacklist: add: 1 build, audit only: no node is published
xenblacklist: add: guest 'web' would have been blocked (audit only): experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: add: no node waits for 'xenblacklist apply'
END
  refuse
  run_json 0 add 65535 590081 --reason look --mode audit
  [ "$(json '[.impact.refused, .impact.guests[0].effect]')" = '[0,"audited"]' ]
}

@test "an entry that begins later: told with its date, refused now" {
  seen
  xb_status 0 add 65535 xen-win:9.1.0 --reason bad --not-before 2026-12-01
  grep -q "guest 'web' would lose its driver from 2026-12-01T00:00:00Z on: " got.err
  run_json 0 plan
  [ "$(json .impact.guests)" = '[]' ]
  XB_NOW='2026-12-02 00:00:00' xb_status 0 plan
  grep -q "guest 'web' would lose its driver: " got.err
  refuse
  xb_status 65 add 65535 590081 --reason bad --not-before 2026-12-01
  XB_NOW='2026-12-02 00:00:00' xb_status 65 apply
  grep -q "IMPACT: guest 'web' would lose its driver to entry 'local-1'" got.err
  untouched
}

@test "a driver that was replaced since, and one that is blocked already" {
  seen
  ran web 20 65535 590336
  xb_status 0 guests --scan
  refuse
  xb 0 add 65535 xen-win:9.1.0 --reason bad <<'END'
local-1
--
xenblacklist: add: 1 build, 1 node
xenblacklist: add: guest 'web' would lose a driver that it had before build 590336: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: add: 5 nodes wait for 'xenblacklist apply'
END
  # A guest's own log saying that it was blocked is a claim, and lowers no guard.
  ran liar 19 2 9 'Drivers are blacklisted!'
  xb_status 0 guests --scan
  xb_status 65 add 2 9 --reason bad
  sqlite3 registry.db "UPDATE sighting SET source = 'daemon' WHERE guest = 'liar'"
  xb_status 0 add 2 9 --reason bad
  grep -q "guest 'liar' was without its driver when last seen and stays so: .*(daemon, trusted)" got.err
}

@test "a forged line outdates nothing that is known for sure" {
  seen # 'web' by its log on the 18th: 590080
  ran web 19 65535 590336
  xb_status 0 guests --scan
  sqlite3 registry.db "UPDATE sighting SET source = 'daemon' WHERE guest = 'web'"
  # It has the newer driver. Its own log says that it went back: so it may have, or may not.
  ran web 20 65535 590080
  xb_status 0 guests --scan
  refuse
  xb_status 65 add 65535 590336 --reason bad
  grep -q "guest 'web' would lose its driver: experimental 9.2.0, .* last 2026-11-19T08:00:00Z (daemon, trusted)" got.err
  xb_status 65 add 65535 590080 --reason bad
  grep -q "guest 'web' would lose its driver: experimental 9.1.0, .* last 2026-11-18T08:00:00Z (daemon, trusted)" got.err
}

@test "impact = refuse: nothing is written, by any verb" {
  seen
  refuse
  before=$(sqlite3 registry.db 'SELECT count(*), max(hash) FROM history')
  xb 65 add 65535 590080..590081 --reason bad --apply <<'END'
--
xenblacklist: add: 2 builds, 2 nodes
xenblacklist: add: warning: guest 'db' would lose its driver: experimental 9.1.1, product 65535 build 590081, seen since 2026-11-19T08:00:00Z, last 2026-11-19T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: add: warning: guest 'web' would lose its driver: experimental 9.1.0, product 65535 build 590080, seen since 2026-11-18T08:00:00Z, last 2026-11-18T08:00:00Z (log, claimed), entry 'local-1'
xenblacklist: add: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590080 --owner OWNER --reason REASON
xenblacklist: add: update the driver in the guest, or allow it here: xenblacklist exception add 65535 590081 --owner OWNER --reason REASON
xenblacklist: add: IMPACT: 2 drivers of guests would be lost, the first of 'db' to entry 'local-1', and '[policy] impact = refuse': make an exception, or say '--accept-impact'
END
  run_json 65 add 65535 590080 --reason bad
  [ "$(json .code)" = '"IMPACT"' ]
  [ "$(sqlite3 registry.db 'SELECT count(*), max(hash) FROM history')" = "$before" ]
  xb 0 list </dev/null
  untouched

  # Taken into the registry while the policy was to warn: apply still refuses.
  xb_status 0 add 65535 590080 --reason bad --config warn.conf
  xb_status 0 plan
  grep -q "warning: 'apply' will refuse this (IMPACT) without '--accept-impact'" got.err
  xb_status 0 plan --out p
  xb_status 65 apply
  grep -q "IMPACT: guest 'web' would lose its driver to entry 'local-1'" got.err
  xb_status 65 apply --plan p
  xb_status 65 audit --repair
  xb_status 0 apply --dry-run
  untouched

  # So does the end of an exception.
  xb_status 0 exception add 65535 590080 --reason needed --owner ops --expires +1d
  xb_status 0 apply
  xb_status 65 exception remove exception-1
  xb_status 0 exception list
  grep -q '^exception-1' got.out
  XB_NOW='2026-11-22 00:00:00' xb_status 65 apply
  untouched
}

@test "accepted for an entry: at add, at apply, for as long as it covers the same" {
  seen
  refuse
  xb_status 0 add 65535 590080 --reason bad --accept-impact
  grep -q "^xenblacklist: add: guest 'web' would lose .*, entry 'local-1', accepted$" got.err
  xb_status 0 apply
  xenstore-rm "$root/experimental/590080"
  xb_status 0 apply
  xb_status 0 add 65535 590081 --reason bad --config warn.conf
  xb_status 65 apply
  xb_status 66 apply --accept-impact=nothing
  xb_status 65 apply --accept-impact=local-1
  xb_status 0 plan --out p
  xb_status 0 apply --plan p --accept-impact=local-2
  xenstore-rm "$root/experimental/590081"
  xb_status 0 apply
  run_json 0 history
  [ "$(json '[.history[] | select(.act == "accept-impact") | .subject]')" = \
    '["entry local-1","entry local-2"]' ]
  xb_status 0 history --verify
  cp registry.db whole.db
  sqlite3 registry.db "UPDATE impact_accepted SET accepted = 0"
  xb_status 1 history --verify
  grep -q ': entry local-1: changed without a record in the history$' got.out
  xb_status 1 audit
  grep -q '^integrity  *registry  *entry local-2: changed without a record in the history$' got.out
  mv whole.db registry.db
  # An id that comes back is another entry.
  xb_status 0 remove local-2
  xb_status 65 add 65535 590081 --reason bad --id local-2
  # Everything, this once.
  xb_status 0 add 1 5 --reason bad --config warn.conf
  xb_status 0 apply --accept-impact
  xenstore-rm "$root/xensource-windows/5"
  xb_status 65 apply
  # The end of an exception, accepted.
  xb_status 0 exception add 1 5 --reason needed --owner ops
  xb_status 65 exception remove exception-1
  xb_status 0 exception remove exception-1 --accept-impact
  xb_status 0 apply
}

@test "running guests that were never seen are named" {
  seen
  for id in 3 4 5 6; do
    xenstore-write /libxl/$id/type "$([ "$id" = 6 ] && echo pv || echo hvm)"
  done
  xenstore-write /local/domain/3/name web /local/domain/4/name mail /local/domain/6/name pv \
    "/local/domain/5/name" "$(printf 'x\033[2J')" /local/domain/0/name Domain-0
  xb_status 0 add 2 7 --reason bad
  grep -qF "add: whether this hits 2 of 3 running guests is not known, they were never seen with a driver: 'mail', 'x\\x1b[2J'" got.err
  run_json 0 add 2 8 --reason bad
  [ "$(json .impact.unseen)" = '["mail","x\u001b[2J"]' ]
}

@test "names of guests are hostile text" {
  ran "$(printf 'a\033[31m')" 19 65535 590080
  xb_status 0 guests --scan
  xb_status 0 add 65535 590080 --reason bad
  lacks "$(printf '\033')" got.err
  grep -qF 'a\x1b[31m' got.err
  refuse
  xb_status 0 remove local-1
  run_json 65 add 65535 590080 --reason bad --id other
  [ "$(json .code)" = '"IMPACT"' ]
}

@test "many guests: some are named, all are counted, and it is quick" {
  xb_status 0 guests
  sqlite3 registry.db "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
    INSERT INTO sighting (guest, product, build, source, verdict, first_seen, last_seen, count)
    SELECT 'guest-' || i, 65535, i % 4000, 'daemon', 'allowed', 1, 2, 1 FROM n"
  printf '[publish]\nexpand-limit = 10000\n' >large.conf
  xb_status 0 add 65535 1..10000 --reason bad --config large.conf
  [ "$(grep -c "would lose" got.err)" = 20 ]
  grep -qx 'xenblacklist: add: warning: and 4979 more (--verbose or --json names them)' got.err
  run_json 0 plan --config large.conf
  [ "$(json '.impact.guests | length')" = 4999 ]
}

# manifest VERSION BUILDS [MODE]: m.json, signed, with one entry.
manifest() {
  [ -e a.key ] || ORIGIN_DIR=$PWD origin_key a
  cat >m.json <<END
{ "format": "xenblacklist-manifest", "spec": 1, "version": $1,
  "issued": "2026-11-20T00:00:00Z", "expires": "2026-12-20T00:00:00Z", "products": [], "encodings": [],
  "entries": [ { "id": "U-1", "product": 65535, "builds": "$2", "mode": "${3:-enforce}", "reason": "bad" } ] }
END
  ORIGIN_DIR=$PWD origin_sign m.json a
  mkdir -p keys.d
  cp a.pub keys.d
  for conf in warn.conf refuse.conf; do
    grep -q '^keys' $conf || printf '[upstream]\nkeys = %s/keys.d\n' "$PWD" >>$conf
  done
}

@test "sync: told, and in its JSON; a dry run and import too" {
  seen
  manifest 1 590080
  for try in 'sync --dry-run --from' 'import --dry-run' 'sync --no-apply --from'; do
    # shellcheck disable=SC2086
    xb_status 0 $try m.json
    grep -q "warning: guest 'web' would lose its driver: experimental 9.1.0, .* entry 'U-1'$" got.err
  done
  xb_status 0 sync --from m.json
  grep -q "guest 'web' would lose" got.err
  manifest 2 590080..590081
  run_json 0 sync --from m.json
  [ "$(json '[.impact.guests[].guest], .applied')" = '["db"]
1' ]
  manifest 3 590080..590081 audit
  xb_status 0 sync --from m.json
  lacks 'would' got.err
  manifest 4 590080..590090 audit
  xb_status 0 sync --from m.json
  manifest 5 590080 audit
  xb_status 0 sync --from m.json -q
  [ ! -s got.err ]
  xb_status 0 verify m.json
  lacks 'would' got.err
}

@test "sync with impact = refuse: nothing is taken until that entry is accepted, as it is" {
  seen
  manifest 1 590080
  refuse
  before=$(sha256sum registry.db)
  xb_status 65 sync --from m.json
  grep -q "^xenblacklist: sync: IMPACT: guest 'web' would lose its driver to entry 'U-1', and '\[policy\] impact = refuse': make an exception, or '--accept-impact ID' takes that entry$" got.err
  xb_status 65 import m.json
  xb_status 66 sync --from m.json --accept-impact U-2
  xb_status 0 verify m.json
  [ "$(sha256sum registry.db)" = "$before" ]
  untouched
  xb_status 0 sync --from m.json --accept-impact U-1
  [ "$(xenstore-read "$root/experimental/590080")" = xb1:U-1 ]
  # The next manifest has the same entry and another: nothing new to accept.
  manifest 2 590080
  xb_status 0 sync --from m.json
  xenstore-rm "$root/experimental/590080"
  xb_status 0 sync --from m.json
  # What covers more is not what was accepted.
  manifest 3 590080..590081
  xb_status 65 sync --from m.json
  xb_status 0 status
  grep -q 'version 2,' got.out
  xb_status 0 exception add 65535 590081 --reason needed --owner ops
  xb_status 0 sync --from m.json
  run_json 0 status
}

@test "sync: entries that begin later, each told with its date, and refused when that is the policy" {
  seen
  manifest 1 590080
  local more='{ "id": "U-2", "product": 65535, "builds": "590080..590081", "mode": "audit", "reason": "bad" }'
  more+=', { "id": "U-3", "product": 1, "builds": "5", "mode": "enforce", "reason": "bad", "not_before": "2026-12-05T00:00:00Z" }'
  sed -i "s/\"bad\" } \]/\"bad\", \"not_before\": \"2026-12-01T00:00:00Z\" }, $more ]/" m.json
  ORIGIN_DIR=$PWD origin_sign m.json a
  xb_status 0 sync --from m.json --dry-run
  grep -q "warning: guest 'web' would lose its driver from 2026-12-01T00:00:00Z on: .* entry 'U-1'$" got.err
  grep -q "warning: guest 'old' would lose its driver from 2026-12-05T00:00:00Z on: .* entry 'U-3'$" got.err
  grep -q "guest 'db' would have been blocked (audit only): .* entry 'U-2'$" got.err
  run_json 0 sync --from m.json --dry-run
  [ "$(json '[.impact.guests[] | [.guest, .effect, .from]] | sort')" = \
    '[["db","audited",null],["old","loses","2026-12-05T00:00:00Z"],["web","loses","2026-12-01T00:00:00Z"]]' ]
  refuse
  xb_status 65 sync --from m.json
  xb_status 65 sync --from m.json --accept-impact U-1
  grep -q "IMPACT: guest 'old' would lose its driver to entry 'U-3'" got.err
  xb_status 0 sync --from m.json --accept-impact U-1 --accept-impact U-3
  XB_NOW='2026-12-06 00:00:00' xb_status 0 apply
  [ "$(xenstore-read "$root/experimental/590080")" = xb1:U-1 ]
}

@test "bad arguments" {
  xb_status 64 apply --accept-impact=
  xb_status 64 sync --accept-impact
  xb_status 64 sync --accept-impact ''
  xb_status 64 add 65535 1 --reason x --accept-impact=1
}
