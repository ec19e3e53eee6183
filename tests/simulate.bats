#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# simulate: the protocol step by step against a live xenstore, and whether every way to ask agrees.

load cli
load sandbox

setup() {
  sandbox_start
  cli_setup
  TRAD=${BUILDDIR:-$SRCDIR}/tests/trad-lookup
}

teardown() {
  sandbox_stop
}

node() {
  xenstore-write "/mh/driver-blacklist/$1" "${2-xb1:test}"
}

@test "a blacklisted driver, step by step" {
  node experimental/590080
  xb 1 simulate experimental xen-win:9.1.0 --log $'one\ntwo\033[2J' <<'END'
STEP  ACCESS    PORT  WIDTH  VALUE    BY             MEANING
1     in        0x10  word   0x49d2   qemu           the protocol is there
2     in        0x12  byte   0x1      xenblacklistd  protocol version 1: product and build are wanted
3     out       0x12  word   0xffff   xenblacklistd  product 65535, experimental
4     out       0x10  long   0x90100  xenblacklistd  build 590080, version 9.1.0
      xenstore                        absent         /mh/driver-blacklist/_products/65535
      xenstore                        there          /mh/driver-blacklist/experimental/590080 = 'xb1:test'
5     in        0x10  word   0xd249   xenblacklistd  blacklisted: the driver must not load
6     out       0x12  byte            xenblacklistd  the log channel, 11 bytes
      logged                                         'one'
      logged                                         'two?[2J'
blacklisted: /mh/driver-blacklist/experimental/590080
END
}

@test "an allowed driver, step by step" {
  xb 0 simulate 65535 4294967295 <<'END'
STEP  ACCESS    PORT  WIDTH  VALUE       BY             MEANING
1     in        0x10  word   0x49d2      qemu           the protocol is there
2     in        0x12  byte   0x1         xenblacklistd  protocol version 1: product and build are wanted
3     out       0x12  word   0xffff      xenblacklistd  product 65535
4     out       0x10  long   0xffffffff  xenblacklistd  build 4294967295
      xenstore                           absent         /mh/driver-blacklist/_products/65535
      xenstore                           absent         /mh/driver-blacklist/experimental/4294967295
      xenstore                           absent         /mh/driver-blacklist/experimental/-1
      xenstore                           absent         /mh/driver-blacklist/experimental/_ranges
5     in        0x10  word   0x49d2      qemu           unchanged: the driver may load
6     out       0x10  word   0x3         qemu           unplug: IDE disks, network cards
allowed
END
}

@test "a driver that unplugs whatever it is told, on the traditional device model" {
  node gplpv-windows/1 ''
  xb 1 simulate gplpv-windows 1 --device-model traditional --unplug 0x800f <<'END'
STEP  ACCESS    PORT  WIDTH  VALUE   BY           MEANING
1     in        0x10  word   0x49d2  traditional  the protocol is there
2     in        0x12  byte   0x1     traditional  protocol version 1: product and build are wanted
3     out       0x12  word   0x2     traditional  product 2, gplpv-windows
4     out       0x10  long   0x1     traditional  build 1
      xenstore                       there        /mh/driver-blacklist/gplpv-windows/1
5     in        0x10  word   0xd249  traditional  blacklisted: the driver must not load
6     out       0x10  word   0x800f  traditional  unplug: IDE disks, network cards, IDE disks but the primary master, bit 3 (no device), bit 15 (no device) (a driver that ignores the verdict)
blacklisted: /mh/driver-blacklist/gplpv-windows/1
END
}

@test "a stock QEMU asks nobody" {
  node linux/1
  xb 0 simulate linux 1 --device-model qemu --unplug 0 <<'END'
STEP  ACCESS  PORT  WIDTH  VALUE   BY    MEANING
1     in      0x10  word   0x49d2  qemu  the protocol is there
2     in      0x12  byte   0x1     qemu  protocol version 1: product and build are wanted
3     out     0x12  word   0x3     qemu  product 3, linux
4     out     0x10  long   0x1     qemu  build 1; this device model looks nothing up for product 3
5     in      0x10  word   0x49d2  qemu  unchanged: the driver may load
6     out     0x10  word   0x0     qemu  unplug: nothing
allowed
END
}

@test "as JSON" {
  node _products/205 suse-vmdp
  node suse-vmdp/_ranges/20503-20505
  run_json 1 simulate suse-vmdp 2.5.4 --log x
  [ "$(json '.blacklisted')" = true ]
  [ "$(json '.path')" = '"/mh/driver-blacklist/suse-vmdp/_ranges/20503-20505"' ]
  [ "$(json '[.product, .name, .build, .device_model]')" = '[205,"suse-vmdp",20504,"xenblacklistd"]' ]
  [ "$(json '[.accesses[] | .step]')" = '[1,2,3,4,5]' ]
  [ "$(json '.accesses[4].value')" = 53833 ]
  [ "$(json '.lookup[0]')" = '{"path":"/mh/driver-blacklist/_products/205","found":true,"value":"suse-vmdp"}' ]
  [ "$(json '.unplug')" = null ]
  [ "$(json '.log')" = '{"lines":["x"],"dropped":0,"throttled":false}' ]
  run_json 0 simulate suse-vmdp 2.5.6 --device-model qemu
  [ "$(json '[.blacklisted, .path, .unplug, .lookup]')" = '[false,null,3,[]]' ]
}

@test "the log channel takes a whole burst" {
  # One argument holds 131072 bytes at most, as the burst does.
  run_json 0 simulate 3 1 --log "$(for _ in $(seq 131); do printf '%0999d\n' 0; done)"
  [ "$(json '[(.log.lines | length), .log.dropped, .log.throttled]')" = '[131,0,false]' ]
}

@test "xenstore that cannot be asked: 69, and what a device model would do" {
  XENSTORED_PATH=/nowhere xb 69 simulate 1 1 <<'END'
--
xenblacklist: simulate: a device model that cannot ask xenstore lets the driver load: it fails open
xenblacklist: simulate: cannot connect to xenstore at '/nowhere': No such file or directory
END
  XENSTORED_PATH=/nowhere run_json 69 simulate 1 1
  # Who looks nothing up needs nobody to ask.
  XENSTORED_PATH=/nowhere xb_status 0 simulate 3 1 --device-model traditional
  XENSTORED_PATH=/nowhere xb_status 0 simulate 1 1 --device-model qemu
  XENSTORED_PATH=/nowhere xb_status 0 simulate 0 1
}

@test "bad arguments" {
  xb_status 64 simulate
  xb_status 64 simulate 1
  xb_status 64 simulate 1 1 1
  xb_status 64 simulate 1 1 --unplug 65536
  xb_status 64 simulate 1 1 --unplug x
  xb_status 64 simulate 1 1 --device-model kvm
  xb_status 64 simulate '' 1
  xb_status 65 simulate 1 4294967296
  xb_status 64 simulate 1 -1
  xb_status 65 simulate 1 -- -1
  xb_status 66 simulate nobody 1
  xb_status 66 simulate 65536 1
}

# agree PRODUCT BUILD: trad-lookup and simulate --device-model traditional are of one mind, and so
# are check --live and simulate; prints both answers, 1 for blacklisted.
agree() {
  local t=0 full=0 live=0 trad=0
  case $("$TRAD" "$1" "$2") in *blacklisted) t=1 ;; esac
  xb_run simulate "$1" "$2" --device-model traditional >/dev/null || trad=$?
  xb_run simulate "$1" "$2" >/dev/null || full=$?
  xb_run check --live "$1" "$2" >/dev/null || live=$?
  [ "$t" = "$trad" ] || { echo "$1 $2: trad-lookup $t, simulate traditional $trad"; return 1; }
  [ "$full" = "$live" ] || { echo "$1 $2: simulate $full, check --live $live"; return 1; }
  echo "$trad$full"
}

@test "whoever made the nodes: simulate, check --live and qemu-xen-traditional agree" {
  node xensource-windows/0
  node xensource-windows/2147483647 ''
  node xensource-windows/2147483648 # a spelling that "%d" never prints
  node experimental/-1
  node experimental/007
  node gplpv-windows/_ranges/0-1
  node linux/1
  node _products/205 suse-vmdp
  node suse-vmdp/20505
  while read -r product build want; do
    [ "$(agree "$product" "$build")" = "$want" ] || {
      echo "$product $build: $(agree "$product" "$build"), expected $want"
      return 1
    }
  done <<'END'
1 0 11
1 1 00
1 2147483647 11
1 2147483648 01
1 4294967295 00
2 0 01
2 1 01
2 2 00
65535 7 00
65535 4294967295 11
65535 2147483648 00
3 1 01
3 0 00
205 20505 01
0 0 00
4 1 00
5 1 00
6 1 00
END
}

# Everybody's answer for one product and build of the published tree, 1 for blacklisted:
# registry, check --live, simulate, simulate traditional, trad-lookup.
answers() {
  local t=0 full=0 live=0 trad=0 check=0
  case $("$TRAD" "$1" "$2") in *blacklisted) t=1 ;; esac
  xb_run check "$1" "$2" >/dev/null 2>&1 || check=$?
  xb_run check --live "$1" "$2" >/dev/null || live=$?
  xb_run simulate "$1" "$2" >/dev/null || full=$?
  xb_run simulate "$1" "$2" --device-model traditional >/dev/null || trad=$?
  echo "$check $live $full $trad $t"
}

@test "the published tree: registry, check --live, simulate and qemu-xen-traditional agree" {
  local product build bits bit want i edges=(0 1 2147483647 2147483648 4294967295)
  xb_status 0 add 1 0,2147483648 --reason a
  xb_status 0 add 2 1,4294967295 --reason b --whole-family
  xb_status 0 add 65535 2147483647..2147483648,590080,4294967295 --reason c
  xb_status 0 add 3 1,2147483648 --reason d --whole-family
  xb_status 0 add 4 0,4294967295 --reason e
  xb_status 0 add 205 0..1,2147483648..4294967295 --reason f --as-range
  xb_status 0 exception add 65535 2147483647 --reason g --owner h
  xb_status 0 apply
  while read -r product bits; do
    for i in 0 1 2 3 4; do
      build=${edges[i]} bit=${bits:2*i:1}
      want="$bit $bit $bit"
      # Nobody's numbers are no products of the registry; qemu-xen-traditional knows three.
      case $product in 0 | 6) want="66 0 0" ;; esac
      case $product in 1 | 2 | 65535) want="$want $bit $bit" ;; *) want="$want 0 0" ;; esac
      [ "$(answers "$product" "$build")" = "$want" ] || {
        echo "$product $build: $(answers "$product" "$build"), expected $want"
        return 1
      }
    done
  done <<'END'
0 0 0 0 0 0
1 1 0 0 1 0
2 0 1 0 0 1
3 0 1 0 1 0
4 1 0 0 0 1
5 0 0 0 0 0
6 0 0 0 0 0
205 1 1 0 1 1
65535 0 0 0 1 1
END
  [ "$(answers 65535 590080)" = "1 1 1 1 1" ]
}
