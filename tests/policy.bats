#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# What decides: origin, mode, dates and exceptions together, as the manual page has it, from the
# command line down to the nodes; and what a large set costs.

load cli
load origin
load sandbox

setup() {
  sandbox_start
  cli_setup
}

teardown() {
  sandbox_stop
}

# manifest ENTRY...: taken from upstream; MODE BUILD [NOT_BEFORE [EXPIRES]] each.
manifest() {
  local list='' mode build from to entry
  ORIGIN_DIR=$PWD origin_key a
  for entry in "$@"; do
    # shellcheck disable=SC2086
    set -- $entry
    mode=$1 build=$2 from=${3:-null} to=${4:-null}
    [ "$from" = null ] || from="\"$from\""
    [ "$to" = null ] || to="\"$to\""
    list+="${list:+,} { \"id\": \"U-$build\", \"product\": 65535, \"builds\": \"$build\", \"mode\": \"$mode\",
      \"reason\": \"upstream\", \"not_before\": $from, \"expires\": $to }"
  done
  cat >m.json <<END
{ "format": "xenblacklist-manifest", "spec": 1, "version": 1, "issued": "2026-11-20T00:00:00Z",
  "expires": "2026-12-20T00:00:00Z", "products": [], "encodings": [], "entries": [ $list ] }
END
  ORIGIN_DIR=$PWD origin_sign m.json a
  mkdir keys.d
  cp a.pub keys.d
  printf '[upstream]\nkeys = %s/keys.d\n' "$PWD" >empty.conf
  xb_status 0 sync --from m.json --no-apply
}

# local_entry MODE BUILD [NOT_BEFORE [EXPIRES]]
local_entry() {
  xb_status 0 add 65535 "$2" --reason local --id "L-$2" --mode "$1" \
    ${3:+--not-before "$3"} ${4:+--expires "$4"}
}

# except BUILD [EXPIRES]
except() {
  xb_status 0 exception add 65535 "$1" --reason needed --owner ops ${2:+--expires "$2"}
}

@test "the table: origin, mode, dates and exceptions" {
  local past=2026-11-20T11:59:59Z now=2026-11-20T12:00:00Z next=2026-11-20T12:00:01Z
  manifest 'enforce 1' "enforce 2 $next" "audit 3" 'enforce 4' 'enforce 5' 'audit 6' 'audit 7' \
    "enforce 8 $now" "enforce 9 $past $next"
  local_entry enforce 11
  local_entry enforce 12 "$next"
  local_entry enforce 13 2026-11-20 "$now"
  local_entry audit 14
  local_entry enforce 15
  local_entry enforce 16
  # Both have something to say; one that blacklists is enough.
  local_entry enforce 6
  local_entry audit 5
  local_entry enforce 2 "$next"
  local_entry enforce 3 "$next"
  # Exceptions count against either, while they last.
  except 4
  except 15
  except 16 "$now"
  except 7
  cat >want <<'END'
65535 1 blacklisted: U-1: upstream
65535 2 allowed
65535 3 allowed: audit only: U-3: upstream
65535 4 allowed: exception exception-1 (owner ops, for ever) from U-4: needed
65535 5 blacklisted: U-5: upstream
65535 6 blacklisted: L-6: local
65535 7 allowed: audit only: U-7: upstream
65535 8 blacklisted: U-8: upstream
65535 9 blacklisted: U-9: upstream
65535 11 blacklisted: L-11: local
65535 12 allowed
65535 13 allowed
65535 14 allowed: audit only: L-14: local
65535 15 allowed: exception exception-2 (owner ops, for ever) from L-15: needed
65535 16 blacklisted: L-16: local
END
  cut -d' ' -f1,2 want >lines
  XB_STDIN=lines xb 1 check - <want
  # The dates take effect in xenstore with apply, and then every consumer agrees.
  xb_status 0 apply
  sed -n 's/.* \([0-9]*\) blacklisted:.*/\1/p' want >nodes
  xenstore-list /mh/driver-blacklist/experimental | sort -n | diff nodes -
  XB_STDIN=lines xb_status 1 check --live -
  diff <(cut -d: -f1 want) <(cut -d: -f1 got.out)
  # A second later.
  export XB_NOW='2026-11-20 12:00:01'
  xb 1 check 65535 2 <<<'blacklisted: L-2: local'
  xb 0 check 65535 9 <<<'allowed'
  xb_status 0 check --live 65535 2
  xb_status 0 apply
  xb_status 1 check --live 65535 2
  xb_status 0 check --live 65535 9
}

@test "exceptions with owner and date are in every listing" {
  xb_status 0 add 65535 5 --reason bad --id T-1
  xb_status 0 exception add 65535 5 --reason 'until Monday' --owner ops --expires 2026-12-01
  xb_status 0 exception add 65535 6 --reason 'for ever' --owner web-team
  for verb in list 'exception list' plan audit status history; do
    # shellcheck disable=SC2086
    xb_run $verb >all.out 2>&1 || true
    for word in exception-1 ops 2026-12-01T00:00:00Z exception-2 web-team; do
      grep -q "$word" all.out || { echo "no '$word' in '$verb':" && cat all.out && return 1; }
    done
  done
  xb_status 0 status
  grep -qx "Exceptions  *2: 'exception-1' (owner ops, until 2026-12-01T00:00:00Z), 'exception-2' (owner web-team, for ever)" got.out
  xb_status 0 history
  grep -q ' exception exception-1 (owner ops, until 2026-12-01T00:00:00Z)  *until Monday$' got.out
  xb_status 1 audit
  grep -q '^expiring *exception exception-1  on 2026-12-01T00:00:00Z; owner ops$' got.out
  for verb in plan audit status; do
    xb_run $verb --json >out.json || true
    "$SRCDIR/tests/validate-json" "$SRCDIR/data/json-schema" out.json
    [ "$(json '[.exceptions_in_force[] | [.id, .owner, .builds, .reason, .expires]]')" = \
      '[["exception-1","ops","5","until Monday","2026-12-01T00:00:00Z"],["exception-2","web-team","6","for ever",null]]' ]
  done
  xb_status 0 explain 65535 5
  grep -q '^  exception exception-1: owner ops, active; it decides$' got.out
  grep -q '^    expires 2026-12-01T00:00:00Z$' got.out
}

@test "check names owner and date of the exception that decides" {
  xb_status 0 add 65535 5,6 --reason bad --id T-1
  xb_status 0 exception add 65535 5 --reason 'until Monday' --owner ops --expires 2026-12-01
  xb_status 0 exception add 65535 6 --reason 'old guests' --owner web-team
  xb 0 check 65535 5 <<<'allowed: exception exception-1 (owner ops, until 2026-12-01T00:00:00Z) from T-1: until Monday'
  xb 0 check 65535 6 <<<'allowed: exception exception-2 (owner web-team, for ever) from T-1: old guests'
  run_json 0 check 65535 5
  [ "$(json '[.exception, .exception_owner, .exception_expires]')" = \
    '["exception-1","ops","2026-12-01T00:00:00Z"]' ]
  printf '65535 %s\n' 6 7 >lines
  XB_STDIN=lines run_json 0 check -
  [ "$(json '[.answers[] | [.exception, .exception_owner, .exception_expires]]')" = \
    '[["exception-2","web-team",null],[null,null,null]]' ]
}

@test "plan and apply say again that nobody but xenblacklistd sees a range" {
  line='published as a range: stock device models do not see it, xenblacklistd does'
  xb_status 0 add 65535 5 --reason bad
  xb_status 0 plan
  lacks 'published as a range' got.err
  xb_status 0 add 65535 10..20,40 --reason bad --as-range
  grep -qx "xenblacklist: add: 12 builds, $line" got.err
  xb_status 0 plan
  grep -qx "xenblacklist: plan: 2 of them are $line" got.err
  run_json 0 plan
  [ "$(json '.counts.ranges')" = 2 ]
  xb_status 0 apply --dry-run
  grep -qx "xenblacklist: apply: 2 of them are $line" got.err
  xb_status 0 apply
  grep -qx "xenblacklist: apply: 2 of them are $line" got.err
  # Nothing to say about what is there already, or goes.
  run_json 0 apply
  [ "$(json '.counts.ranges')" = 0 ]
  lacks 'published as a range' got.err
  xb_status 0 remove local-2
  xb_status 0 plan
  lacks 'published as a range' got.err
  xb_status 0 add 65535 50..59 --reason bad --as-range --apply
  grep -qx "xenblacklist: add: 1 of them is $line" got.err
}

@test "version sets go through the encoding; what they cost is said first" {
  xb_status 0 add 65535 linux-kvc8:5.10.0..5.10.255 --reason bad --reference https://example.org/1 \
    --reference https://example.org/2
  grep -q '^xenblacklist: add: 256 builds, 256 nodes$' got.err
  run_json 0 list
  [ "$(json '.entries[0].references | length')" = 2 ]
  xb_status 0 plan
  [ "$(tail -n 1 got.out)" = '260 nodes to add, 0 changed, 0 removed' ]
  # A limit that was lowered afterwards: plan and apply refuse, and name entry, cost and ways out.
  printf '[publish]\nexpand-limit = 100\n' >small.conf
  for verb in plan apply; do
    xb_status 65 $verb --config small.conf
    grep -q "BUDGET: .*'local-1'.* 256 nodes.*expand-limit.*100.*--as-range" got.err || {
      cat got.err
      return 1
    }
  done
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
  printf '[publish]\ntotal-limit = 100\n' >small.conf
  xb_status 65 plan --config small.conf
  grep -q 'BUDGET: .*total-limit.*100.*--as-range' got.err || { cat got.err && return 1; }
}

@test "more than 1000 nodes in one product: a warning, however many entries they are in" {
  local warning="warning: product 'experimental' has 1200 nodes: more than 1000 in one product make xenstore slow"
  xb_status 0 add 65535 1..600 --reason a
  lacks warning got.err
  xb_status 0 add 65535 1001..1600 --reason b
  grep -qxF "xenblacklist: add: $warning" got.err
  xb_status 0 plan
  grep -qxF "xenblacklist: plan: $warning" got.err
  xb_status 0 add 65535 5000..6199 --reason c --as-range
  lacks 'warning' got.err
  xb_status 0 apply
  xb_status 0 plan
  lacks warning got.err
}

@test "a manifest whose entries cannot be published once they begin is not taken" {
  manifest
  sed -i 's/"version": 1/"version": 2/
    s/"entries": \[ *\]/"entries": [ { "id": "U", "product": 65535, "builds": "1..10", "mode": "enforce", "reason": "up", "not_before": "2026-12-01T00:00:00Z" } ]/' m.json
  ORIGIN_DIR=$PWD origin_sign m.json a
  printf '[publish]\nexpand-limit = 9\n' >>empty.conf
  xb 65 sync --from m.json --no-apply <<'END'
--
xenblacklist: sync: BUDGET: from 2026-12-01T00:00:00Z on: entry 'U' costs 10 nodes in xenstore and the limit (expand-limit) is 9; name fewer builds, or publish it with --as-range, which xenblacklistd sees and stock device models do not
END
  xb 0 list </dev/null
  sed -i 's/expand-limit = 9/expand-limit = 10/' empty.conf
  xb_status 0 sync --from m.json --no-apply
}

@test "audit: who can end an entry that has expired" {
  manifest 'enforce 1 2026-11-01T00:00:00Z 2026-11-02T00:00:00Z'
  local_entry enforce 2 2026-11-01 2026-11-02
  xb_status 1 audit
  grep -q '^expired  *entry U-1 .* upstream has to drop it$' got.out
  grep -q '^expired  *entry L-2 .* remove it$' got.out
}

@test "a product in conflict: its entries mean nothing, and its number's owner is looked at" {
  xb 0 product allocate mine --vendor v --contact c <<<6
  xb_status 0 add mine 5 --reason local
  manifest
  sed -i 's/"products": \[\]/"products": [ { "number": 6, "name": "theirs", "status": "assigned" } ]/
    s/"version": 1/"version": 2/
    s/"entries": \[ *\]/"entries": [ { "id": "U", "product": 6, "builds": "9", "mode": "enforce", "reason": "up" } ]/' m.json
  ORIGIN_DIR=$PWD origin_sign m.json a
  xb_status 0 sync --from m.json --no-apply
  local warning="warning: product 'mine' is in conflict with upstream: nothing of it is published (see 'xenblacklist audit')"
  xb 1 check mine 9 <<END
blacklisted: U: up
--
xenblacklist: check: $warning
xenblacklist: check: number 6 is that of product 'theirs', which is looked at
END
  xb_status 0 check mine 5
  run_json 0 explain mine 5
  [ "$(json '[.name, .blacklisted, .entries]')" = '["theirs",false,[]]' ]
  run_json 0 explain mine 9
  [ "$(json '[.name, .blacklisted, .entries[0].decides]')" = '["theirs",true,true]' ]
  xb_status 0 add mine 7 --reason local
  grep -qxF "xenblacklist: add: $warning" got.err
  xb_status 0 exception add mine 9 --reason a --owner b
  grep -qxF "xenblacklist: exception add: $warning" got.err
  xb_status 1 check 6 9
}
