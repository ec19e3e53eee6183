#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# xenblacklistd's keeper and registrar against the stock daemons: what becomes of damaged nodes, of
# the rules that guests are judged by, and of sightings. tests/live-helpers.c is their supervisor.

load cli
load sandbox

ROOT=/mh/driver-blacklist

setup() {
  cli_setup
  sandbox_start
  xb_status 0 add experimental 5,6,7,4294967295 --id old --reason test --whole-family --apply
  xb_status 0 add linux 1..3 --id range --reason test --whole-family --as-range --apply
}

teardown() {
  if [ -n "${locker:-}" ]; then
    exec 9<>unlock 9>&- # its input ends
    wait "$locker" || true
  fi
  helpers_stop
  sandbox_stop
}

helpers_start() {
  rm -f orders
  mkfifo orders
  "$BUILDDIR/tests/live-helpers" "$@" <orders >told 2>&1 3>&- &
  helpers=$!
  exec 8>orders
  eventually grep -q '^rules' told
}

helpers_stop() {
  exec 8>&-
  [ -z "${helpers:-}" ] || wait "$helpers" 2>/dev/null || true
  helpers=
}

there() {
  xenstore-exists "$ROOT/$1"
}

# bats does not see "! there" fail.
missing() {
  if there "$1"; then return 1; fi
}

holds() {
  [ "$(xenstore-read "$ROOT/$1")" = "$2" ]
}

perms() {
  xenstore-ls -fp /mh | sed -n "s|^$ROOT$1 = .*(\(.*\)).*|\1|p"
}

has_perms() {
  [ "$(perms "$1")" = "$2" ]
}

# What a driver that asks now is told.
verdict() {
  local n
  n=$(grep -c "^$1 $2: " told)
  echo "ask $1 $2" >&8
  for ((i = 0; i < 600; i++)); do
    [ "$(grep -c "^$1 $2: " told)" -eq "$n" ] || break
    sleep 0.02
  done
  grep "^$1 $2: " told | tail -n 1 | sed 's/.*: //'
}

is() {
  [ "$(verdict "$1" "$2")" = "$3" ]
}

# The registrar has seen the tree as it is now: what vanishes after that comes back.
looked() {
  xenstore-rm $ROOT/experimental/7
  eventually there experimental/7
}

# sql QUERY ANSWER
sql() {
  [ "$(sqlite3 registry.db "$1")" = "$2" ]
}

# Nobody can read the registry until unlock.
lock() {
  rm -f locked
  mkfifo unlock
  {
    (printf 'BEGIN EXCLUSIVE;\n.shell touch locked\n' && cat unlock) | sqlite3 registry.db
  } 3>&- 8>&- &
  locker=$!
  eventually test -e locked
}

unlock() {
  echo 'COMMIT;' >unlock
  wait "$locker"
  locker=
  rm -f unlock
}

@test "nodes that go missing and lose their permissions come back" {
  helpers_start
  looked
  xenstore-rm $ROOT/experimental/5
  eventually there experimental/5
  holds experimental/5 xb1:old
  has_perms /experimental/5 r0
  xenstore-chmod $ROOT/experimental/6 n0
  eventually has_perms /experimental/6 r0
  xenstore-rm $ROOT/linux
  eventually there linux/_ranges/1-3
  eventually there _products/3
  xenstore-write $ROOT/_products/65535 nonsense
  eventually holds _products/65535 experimental
  eventually is 65535 5 blacklisted
  eventually is 3 2 blacklisted
}

@test "what was damaged before the start comes back, permissions too" {
  xenstore-rm $ROOT/experimental/5
  xenstore-rm $ROOT/experimental/-1
  xenstore-rm $ROOT/_products/65535
  xenstore-rm $ROOT/linux
  xenstore-chmod $ROOT/experimental/6 n0
  xenstore-chmod $ROOT n0
  helpers_start
  for node in experimental/5 experimental/-1 _products/65535 linux/_ranges/1-3; do
    eventually there "$node"
  done
  eventually has_perms /experimental/6 r0
  eventually has_perms "" r0
  grep -q "registrar says 5: wrote" told
  xb 0 plan <<'END'
nothing to do
END
}

@test "what was never applied is left to apply, before the start and after" {
  xb_status 0 add experimental 9 --id unapplied --reason test --whole-family
  xb_status 0 add gplpv-windows 1 --id new-product --reason test --whole-family
  xb_status 0 add linux 7..9 --id new-range --reason test --whole-family --as-range
  xb_status 0 remove range
  xenstore-rm $ROOT/experimental/5
  helpers_start
  eventually there experimental/5
  looked
  missing experimental/9
  missing gplpv-windows
  missing _products/2
  missing linux/_ranges/7-9
  there linux/_ranges/1-3
  is 65535 9 allowed
  xb_status 0 add experimental 10 --id later --reason test --whole-family
  looked
  missing experimental/10
  xb_status 0 apply
  eventually is 65535 10 blacklisted
  eventually is 2 1 blacklisted
  xenstore-rm $ROOT/experimental/10
  eventually there experimental/10
}

@test "at the start, an exception that was withdrawn and not applied goes on allowing" {
  xb_status 0 exception add experimental 6 --reason test --owner me --apply
  missing experimental/6
  xb_status 0 exception remove exception-1
  xenstore-rm $ROOT/linux
  helpers_start
  eventually there linux/_ranges/1-3
  missing experimental/6
}

@test "somebody else's nodes are left alone" {
  xenstore-write $ROOT/experimental/8 theirs
  xenstore-write $ROOT/other/1 theirs
  xenstore-rm $ROOT/experimental/6
  xenstore-write $ROOT/experimental/6 theirs
  xenstore-chmod $ROOT/experimental/8 b0
  helpers_start
  looked
  xenstore-rm $ROOT/other/1
  looked
  holds experimental/8 theirs
  holds experimental/6 theirs
  has_perms /experimental/8 b0
  missing other/1
}

@test "a change of registry or configuration alone heals nothing" {
  helpers_start
  looked
  printf '[publish]\nnode-access = dom0\n' >empty.conf
  xb_status 0 remove old
  xb_status 0 add experimental 5,6,7,4294967295 --id renamed --reason test --whole-family
  xenstore-rm $ROOT/linux/_ranges/1-3
  eventually there linux/_ranges/1-3
  holds experimental/5 xb1:old
  has_perms /experimental/5 r0
}

@test "repairs without end are said once and made one in a while" {
  helpers_start
  for i in 1 2 3 4 5; do
    xenstore-rm $ROOT/experimental/5
    eventually there experimental/5
  done
  xenstore-rm $ROOT/experimental/5
  eventually grep -q "cannot heal the nodes: the nodes were healed 5 times in a row; who changes them?" told
  missing experimental/5
  # The tree is the word: nobody pretends that it is there.
  eventually is 65535 5 allowed
  eventually there experimental/5
  eventually is 65535 5 blacklisted
  [ "$(grep -c "cannot heal" told)" -eq 1 ]
}

@test "a wiped tree is written again, and no driver is allowed in between" {
  helpers_start
  eventually is 65535 5 blacklisted
  xenstore-rm $ROOT
  eventually there linux/_ranges/1-3
  eventually has_perms /experimental/5 r0
  looked
  [ "$(sed -n 's/^rules //p' told | sort -u)" = 6 ]
}

@test "what vanishes while something else is healed comes back too" {
  xb_status 0 add gplpv-windows 1..4000 --id many --reason test --whole-family --apply
  helpers_start
  looked
  for n in 4000 3999; do
    xenstore-rm $ROOT/experimental/5
    until there experimental/5; do :; done
    # The tree is just being read again.
    xenstore-rm $ROOT/gplpv-windows/$n
    eventually there gplpv-windows/$n
  done
}

@test "a daemon that lost everything is filled again" {
  helpers_start
  looked
  xb_status 0 add experimental 9 --id unapplied --reason test --whole-family
  sandbox_kill
  eventually grep -q "keeper says 4: .*domains keep the blacklist that was read last" told
  is 65535 5 blacklisted
  sandbox_again
  eventually there experimental/9
  eventually there linux/_ranges/1-3
  eventually grep -q "keeper says 5: xenstore answers again" told
  eventually is 65535 5 blacklisted
}

@test "an empty tree at the start is filled, with all that the registry means" {
  xb_status 0 add experimental 9 --id unapplied --reason test --whole-family
  xenstore-rm $ROOT
  helpers_start
  eventually there experimental/9
  eventually is 65535 5 blacklisted
}

@test "while the registry is locked, changes of the tree reach guests and sightings wait" {
  helpers_start
  looked
  lock
  echo "saw web uuid-1 65535 5 1 1" >&8
  xenstore-write $ROOT/experimental/100 xb1:new
  eventually is 65535 100 blacklisted
  xenstore-rm $ROOT/experimental/6
  eventually is 65535 6 allowed
  missing experimental/6
  kill -0 "$locker"
  unlock
  eventually there experimental/6
  eventually is 65535 6 blacklisted
  eventually sql "SELECT count(*) FROM sighting" 1
}

@test "a registry that is damaged, gone or replaced heals nothing, and guarding goes on" {
  helpers_start
  looked
  cp registry.db good.db
  printf garbage | dd of=registry.db bs=1 conv=notrunc status=none
  xenstore-rm $ROOT/experimental/5
  eventually grep -q "registrar says 4: cannot heal the nodes" told
  eventually is 65535 5 allowed
  xenstore-write $ROOT/experimental/100 xb1:new
  eventually is 65535 100 blacklisted
  rm registry.db
  xenstore-write $ROOT/experimental/101 xb1:new
  eventually is 65535 101 blacklisted
  cp good.db other.db
  mv other.db registry.db
  xenstore-rm $ROOT/experimental/6
  eventually there experimental/6
  eventually there experimental/5
  kill -0 "$helpers"
}

@test "--no-heal writes nothing and holds nothing back" {
  helpers_start --no-heal
  xenstore-rm $ROOT/experimental/5
  eventually is 65535 5 allowed
  xenstore-rm $ROOT
  eventually is 65535 6 allowed
  missing ""
  lacks registrar told
}

@test "sightings of a guest are kept within bounds, hostile names escaped" {
  xb_status 0 add experimental 50 --id watch --reason test --whole-family --mode audit
  helpers_start
  echo "saw web uuid-1 65535 5 1 1" >&8
  echo "saw web uuid-1 65535 50 0 1" >&8
  printf 'saw \033[31m\001\\x \007 3 9 0 1\n' >&8
  printf 'saw flood u 3 1000 0 3000\n' >&8
  eventually sql "SELECT max(build) FROM sighting" 3999
  [ "$(sqlite3 registry.db "SELECT count(*) FROM sighting WHERE guest = 'flood'")" -eq 64 ]
  run_json 0 guests
  [ "$(json '[.sightings[] | select(.guest == "web") | [.build, .verdict]] | sort')" = \
    '[[5,"blacklisted"],[50,"audit"]]' ]
  [ "$(json '[.sightings[] | select(.build == 9) | .guest]')" = '["\\x1b[31m\\x01\\x5cx"]' ]
}

@test "sightings that were lost are counted and told once" {
  helpers_start
  lock
  echo "saw web uuid-1 65535 5 1 5000" >&8
  eventually grep -q "registrar says 4: cannot record which guests were seen" told
  unlock
  eventually grep -q "registrar says 4: 904 sightings of guests were lost while" told
  echo "saw web uuid-1 65535 6000 1 1" >&8
  eventually sql "SELECT max(build) FROM sighting" 6000
  [ "$(grep -c "sightings of guests were lost" told)" -eq 1 ]
}
