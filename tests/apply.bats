#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# plan and apply from the command line, against the stock daemons and with the stock xenstore-*
# tools as the ones who meddle.

load sandbox
load cli

root=/mh/driver-blacklist

setup() {
  sandbox_start
  cli_setup
}

teardown() {
  sandbox_stop
}

# Three entries, in two products: five builds, seven leaves.
three() {
  xb_status 0 add experimental xen-win:8.2.0..8.2.2 --reason test --id T-1
  xb_status 0 add experimental 4294967295 --reason test --id T-2
  xb_status 0 add 4 1 --reason test --id T-3
}

applied() {
  three
  xb_status 0 apply
}

clean() {
  xb 0 plan --exit-code <<'END'
nothing to do
END
}

@test "nothing is blacklisted: nothing to do, nothing written" {
  clean
  xb 0 apply <<'END'
nothing to do
END
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
}

@test "plan shows, apply does, a second apply does nothing" {
  three
  xb 1 plan --exit-code <<'END'
+ . r0  xb1:
+ _products r0  xb1:
+ _products/4 r0  xenserver-windows-v7-0-
+ _products/65535 r0  experimental
+ experimental r0  xb1:
+ experimental/-1 r0  xb1:T-2
+ experimental/4294967295 r0  xb1:T-2
+ experimental/524800 r0  xb1:T-1
+ experimental/524801 r0  xb1:T-1
+ experimental/524802 r0  xb1:T-1
+ xenserver-windows-v7-0- r0  xb1:
+ xenserver-windows-v7-0-/1 r0  xb1:T-3
12 nodes to add, 0 changed, 0 removed
--
xenblacklist: plan: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
  xb 0 apply <<'END'
12 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  # As the stock tool sees it; oxenstored lists in another order.
  xenstore-ls -p -f $root | tr -s ' .' ' ' | sort >tree
  diff - tree <<END
$root/_products = "xb1:" (r0)
$root/_products/4 = "xenserver-windows-v7-0-" (r0)
$root/_products/65535 = "experimental" (r0)
$root/experimental = "xb1:" (r0)
$root/experimental/-1 = "xb1:T-2" (r0)
$root/experimental/4294967295 = "xb1:T-2" (r0)
$root/experimental/524800 = "xb1:T-1" (r0)
$root/experimental/524801 = "xb1:T-1" (r0)
$root/experimental/524802 = "xb1:T-1" (r0)
$root/xenserver-windows-v7-0- = "xb1:" (r0)
$root/xenserver-windows-v7-0-/1 = "xb1:T-3" (r0)
END
  xb 0 apply <<'END'
nothing to do
END
  clean
}

@test "remove takes leaves, then what is empty, and leaves /mh" {
  applied
  xenstore-write /mh/theirs x
  xb_status 0 remove T-1
  xb_status 0 remove T-3
  xb 0 plan <<'END'
- _products/4  (extra)
- experimental/524800  (extra)
- experimental/524801  (extra)
- experimental/524802  (extra)
- xenserver-windows-v7-0-/1  (extra)
- xenserver-windows-v7-0-  (extra)
0 nodes to add, 0 changed, 6 removed
END
  xb_status 0 apply
  clean
  [ "$(xenstore-list $root/experimental | sort | tr '\n' ' ')" = "-1 4294967295 " ]
  xb_status 0 remove T-2
  xb_status 0 apply
  clean
  run xenstore-exists $root
  [ "$status" -ne 0 ]
  [ "$(xenstore-read /mh/theirs)" = x ]
}

@test "what xenstore-rm, -write and -chmod do is seen by class and mended" {
  applied
  xenstore-rm $root/experimental/524800
  xenstore-rm $root/experimental/-1
  xenstore-write $root/experimental/524801 xb1:other
  xenstore-chmod $root/experimental/524802 n0
  xenstore-chmod $root/experimental b0
  xenstore-chmod $root n0
  xenstore-write $root/experimental/007 xb1:T-1
  xenstore-write $root/experimental/9 xb1:T-1
  xenstore-write $root/_products/65535 nonsense
  run_json 0 plan
  [ "$(json '[.changes[] | select(.acts) | .class] | group_by(.) | map({(.[0]): length}) | add')" = \
    '{"extra":1,"missing":2,"wrong-access":3,"wrong-spelling":1,"wrong-value":2}' ]
  xb 0 apply <<'END'
2 nodes added, 5 changed, 2 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  clean
  [ "$(xenstore-read $root/experimental/524801)" = xb1:T-1 ]
  [ "$(xenstore-read $root/_products/65535)" = experimental ]
}

@test "foreign nodes are told and left alone until --prune" {
  three
  xenstore-write $root/experimental/524800 ""
  xenstore-write $root/experimental/99 mine
  xenstore-write $root/other/5 mine
  xb 0 apply <<'END'
9 nodes added, 2 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: apply: 3 nodes made by somebody else, left alone (see '--prune')
END
  [ "$(xenstore-read $root/experimental/524800)" = "" ]
  [ "$(xenstore-read $root/other/5)" = mine ]
  xb 0 plan --exit-code <<'END'
? experimental/524800 r0  xb1:T-1
? experimental/99  (foreign)
? other/5  (foreign)
nothing to do
--
xenblacklist: plan: 3 nodes made by somebody else, left alone (see '--prune')
END
  xb 0 apply --prune <<'END'
0 nodes added, 1 changed, 3 removed
END
  clean
  [ "$(xenstore-read $root/experimental/524800)" = xb1:T-1 ]
  run xenstore-exists $root/other
  [ "$status" -ne 0 ]
}

@test "--dry-run writes nothing" {
  three
  xb_status 0 apply --dry-run
  tail -n 1 got.out | grep -qx '12 nodes to add, 0 changed, 0 removed'
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
}

@test "a saved plan does what it showed, once" {
  three
  xb_status 1 plan --exit-code --out p
  xb 0 apply --plan p <<'END'
12 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  clean
  xb_status 65 apply --plan p
  grep -q STALE got.err
}

@test "a saved plan is stale when the registry has moved, also from an empty tree and for the same change" {
  three
  xb_status 0 plan --out p
  xb_status 0 add 2 5 --reason test --id T-4
  xb_status 0 remove T-4
  xb 65 apply --plan p <<'END'
--
xenblacklist: apply: STALE: the registry has changed since plan 'p' was made, make a new one
END
  run xenstore-exists /mh
  [ "$status" -ne 0 ]
}

@test "a saved plan is stale when xenstore has moved" {
  three
  xb_status 0 plan --out p
  xenstore-write $root/experimental/99 mine
  xb_status 65 apply --plan p
  grep -q STALE got.err
  xenstore-rm /mh
  xb_status 0 apply --plan p
  xenstore-rm $root/experimental/524800
  xb_status 0 plan --out p
  xenstore-chmod $root/experimental/524801 n0
  xb_status 65 apply --plan p
  grep -q STALE got.err
  xenstore-chmod $root/experimental/524801 r0
  xb_status 0 apply --plan p
  clean
}

@test "check --live, check and qemu-xen-traditional agree on every product and edge" {
  builds='0 1 2147483647 2147483648 4294967294 4294967295'
  for product in 1 2 3 65535; do
    xb_status 0 add "$product" 0,2147483647..2147483648,4294967295 --reason test --whole-family
  done
  xb_status 0 apply
  for product in 0 1 2 3 4 205 65535; do
    for build in $builds; do
      case $product in
        1 | 2 | 65535) trad=$([ "$build" = 1 ] || [ "$build" = 4294967294 ] && echo allowed || echo blacklisted) ;;
        *) trad=allowed ;;
      esac
      echo "$product $build $trad"
    done
  done >want
  cut -d' ' -f1,2 want | "$BUILDDIR/tests/trad-lookup" - >got
  diff want got
  for product in 1 2 3 65535; do
    for build in $builds; do
      status=1
      [ "$build" != 1 ] && [ "$build" != 4294967294 ] || status=0
      xb_status "$status" check "$product" "$build"
      xb_status "$status" check --live "$product" "$build"
    done
  done
}

@test "a stub domain reads what is published, and nothing of node-access = dom0" {
  guest=$BUILDDIR/tests/sandbox/ring-client
  applied
  "$guest" 7 target 5
  [ "$("$guest" 7 read $root/experimental/524801)" = xb1:T-1 ]
  [ "$("$guest" 7 read $root/_products/65535)" = experimental ]
  run "$guest" 7 read $root/experimental/1
  [ "$output" = ENOENT ]
  printf '[publish]\nnode-access = dom0\n' >empty.conf
  xb 0 apply <<'END'
0 nodes added, 12 changed, 0 removed
END
  run "$guest" 7 read $root/experimental/524801
  [ "$status" -eq 1 ]
  [ "$output" = EACCES ]
  xb_status 1 check --live experimental 524801
}

@test "ten thousand nodes: planned, applied, seen, mended, removed" {
  printf '[publish]\nexpand-limit = 20000\ntotal-limit = 20000\n' >empty.conf
  xb_status 0 add experimental 1..10000 --reason test --id BIG
  xb 0 apply <<'END'
10004 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  clean
  xb_status 1 check --live experimental 9999
  xenstore-rm $root/experimental/5000
  xenstore-write $root/experimental/6000 xb1:x
  xenstore-chmod $root/experimental/7000 n0
  xb 0 apply <<'END'
1 node added, 2 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb_status 0 remove BIG
  xb 0 apply <<'END'
0 nodes added, 0 changed, 10004 removed
END
  run xenstore-exists $root
  [ "$status" -ne 0 ]
}

@test "a daemon that lost everything is filled again" {
  applied
  sandbox_kill
  xb_status 69 apply
  sandbox_again
  xb 0 apply <<'END'
12 nodes added, 0 changed, 0 removed
--
xenblacklist: apply: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
}

@test "no daemon, a socket without one, and one that hangs: 69 in bounded time" {
  three
  pid=$(sandbox_pid)
  kill -STOP "$pid"
  for verb in apply plan 'check --live experimental 524800'; do
    # shellcheck disable=SC2086 # the words of a command
    timeout 100 "$XB" $verb >"${verb%% *}.out" 2>"${verb%% *}.err" &
  done
  for job in $(jobs -p); do
    status=0
    wait "$job" || status=$?
    [ "$status" -eq 69 ]
  done
  for verb in apply plan check; do
    # The third finds the daemon's queue full.
    grep -qE 'does not answer|it takes no connections' $verb.err
    [ ! -s $verb.out ]
  done
  kill -CONT "$pid"
  xb_status 0 apply
  sandbox_kill
  XENSTORED_PATH=$PWD/nowhere xb 69 apply <<END
--
xenblacklist: apply: cannot connect to xenstore at '$PWD/nowhere': No such file or directory
END
  python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("dead")'
  XENSTORED_PATH=$PWD/dead xb 69 apply <<END
--
xenblacklist: apply: cannot connect to xenstore at '$PWD/dead': Connection refused
END
}
