#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# audit and explain: every class of finding made once, and a clean host without any.

load cli
load sandbox

setup() {
  sandbox_start
  cli_setup
  mkdir run
  qemus=()
}

teardown() {
  [ -z "${guard:-}" ] || kill "$guard"
  [ "${#qemus[@]}" -eq 0 ] || kill "${qemus[@]}"
  sandbox_stop
}

# domain ID NAME [TYPE DM]: as libxl writes it.
domain() {
  xenstore-write "/local/domain/$1/name" "$2"
  [ $# -lt 4 ] || xenstore-write "/libxl/$1/type" "$3" "/libxl/$1/dm-version" "$4"
}

# A process that looks like xenblacklistd's, and its record of domain $1.
guarded() {
  cp "$(command -v sleep)" xenblacklistd
  ./xenblacklistd 1000 3>&- &
  guard=$!
  printf 'server 1\npid %s\nattached 1\nuuid \n' "$guard" >"run/$1.server"
}

# A process that looks like the QEMU of domain $1, with machine type $2.
qemu() {
  (exec -a qemu-system-i386 bash -c 'read -r -t 1000 <> <(:)' -xen-domid "$1" -machine "$2") 3>&- &
  qemus+=($!)
  xenstore-write "/local/domain/$1/image/device-model-pid" $!
}

# The findings, one a line: CLASS SUBJECT
findings() {
  run_json "$1" audit --run-directory run "${@:2}"
  jq -r '.findings[] | .class + " " + .subject' out.json
}

@test "nothing found on a clean host" {
  xb 0 audit <<'END'
No HVM guest runs.
nothing found
END
  [ -z "$(findings 0)" ]
  xb_status 0 add 65535 xen-win:9.1.0 --reason a --apply
  [ -z "$(findings 0)" ]
}

@test "drift of every class, and its repair" {
  xb_status 0 add 65535 1..4 --reason a --apply
  xenstore-rm /mh/driver-blacklist/experimental/1
  xenstore-write /mh/driver-blacklist/experimental/77 mine
  xenstore-chmod /mh/driver-blacklist/experimental/2 n0
  xenstore-write /mh/driver-blacklist/experimental/3 xb1:nobody
  xenstore-write /mh/driver-blacklist/experimental/0x9 xb1:local-1
  xenstore-write /mh/driver-blacklist/experimental/9 xb1:local-1
  want='extra experimental/9
foreign experimental/77
missing experimental/1
wrong-access experimental/2
wrong-spelling experimental/0x9
wrong-value experimental/3'
  [ "$(findings 1 | sort)" = "$want" ]
  run_json 1 audit --repair
  [ "$(json '[.findings[] | select(.repaired | not) | .class]')" = '["foreign"]' ]
  [ "$(json '[.repair, .open]')" = '[true,1]' ]
  [ "$(findings 1)" = 'foreign experimental/77' ]
  run_json 0 history
  [ "$(json '[.history[] | select(.verb == "audit") | .act]')" = '["apply"]' ]
  xenstore-rm /mh/driver-blacklist/experimental/77
  [ -z "$(findings 0)" ]
}

@test "what cannot be published" {
  xb_status 0 add 5 7 --reason a --apply
  [ "$(findings 1)" = 'unpublishable xenserver-windows-v7.2+' ]
  printf '[publish]\nexpand-limit = 1\n' >tight.conf
  xb_status 0 add 65535 1,2 --reason b --apply
  [ "$(XENBLACKLIST_CONFIG=tight.conf findings 1 | sed -n 2p)" = 'unpublishable BUDGET' ]
}

@test "a registry that somebody edited" {
  xb_status 0 product list
  sqlite3 registry.db "UPDATE product SET vendor = 'Mallory' WHERE number = 1"
  [ "$(findings 1)" = 'integrity registry' ]
  grep -q 'product 1' got.out
}

@test "a registry that somebody edited until nobody can read its rows" {
  xb_status 0 add 65535 xen-win:9.1.0 --reason r -q
  sqlite3 registry.db "UPDATE encoding SET expression = '5'"
  xb_status 1 audit
  grep -q '^integrity *registry *encoding xen-win: changed without a record in the history' got.out
  grep -q "^integrity *registry *product 65535: encoding 'xen-win': " got.out
  sqlite3 registry.db 'DROP TABLE exception'
  xb_status 1 audit
  grep -q '^integrity *registry *schema: table exception is missing' got.out
  run_json 1 audit
  xb_status 65 history --verify
  grep -q "registry.db' is damaged (no such table: exception): restore it from a backup$" got.err
}

@test "dates: what expires, what has expired, what is overdue" {
  xb_status 0 add 65535 1 --reason a --id soon --expires +3d
  xb_status 0 add 65535 2 --reason a --id gone --expires 2026-11-01
  xb_status 0 add 65535 3 --reason a --id later --expires +300d
  xb_status 0 exception add 65535 1 --reason a --owner b --expires +3d
  xb_status 0 product allocate prov --vendor a --contact b --provisional-until +3d
  xb_status 0 product allocate late --vendor a --contact b --provisional-until +300d
  xb_status 0 apply
  want='expired entry gone
expiring entry soon
expiring exception exception-1
expiring prov'
  [ "$(findings 1 | sort)" = "$want" ]
  # A month on, everything that was soon has come.
  XB_NOW='2026-12-20 12:00:00' findings 1 | grep -qx 'overdue prov'
}

@test "collisions: numbers in the wild, and one entry on several drivers" {
  xb_status 0 product allocate clash --vendor a --contact b --number 204
  xb_status 0 add 65535 524800,33554432 --reason a --id both --apply
  xb_status 0 add 65535 524801..524802 --reason a --id one --apply
  want='collision clash
collision entry both'
  [ "$(findings 1 | sort)" = "$want" ]
}

@test "who enforces: traditional, xenblacklistd, none, unknown" {
  domain 1 plain hvm qemu_xen
  domain 2 old hvm qemu_xen_traditional
  domain 3 pv pv none
  domain 4 xapi
  xenstore-write /local/domain/4/vm-data/disable_pf 1 # where the guest itself can write
  domain 5 without hvm qemu_xen
  xenstore-write /local/domain/0/device-model/5/disable_pf 1
  domain 6 stub hvm qemu_xen_traditional
  xenstore-write /local/domain/6/image/device-model-domid 7
  domain 8 guarded hvm qemu_xen
  guarded 8
  domain 9 forgotten hvm qemu_xen
  printf 'server 1\npid 1\nattached 1\n' >run/9.server
  # libxl tells a QEMU of today by its machine type alone that there is to be no platform device.
  domain 10 modern hvm qemu_xen
  qemu 10 pc,accel=xen,suppress-vmdesc=on
  domain 11 usual hvm qemu_xen
  qemu 11 xenfv,suppress-vmdesc=on
  want='unenforced domain 1 plain
unenforced domain 4 xapi
unenforced domain 9 forgotten
unenforced domain 11 usual'
  [ "$(findings 1 | sort -k 3n)" = "$want" ]
  [ "$(json '[.enforcement[] | [.domid, .enforcer, .gap]]')" = \
    '[[1,"none",true],[2,"traditional",false],[4,"unknown",true],[5,"none",false],[6,"traditional",false],[8,"xenblacklistd",false],[9,"none",true],[10,"none",false],[11,"none",true]]' ]
  printf '[publish]\nnode-access = dom0\n' >dom0.conf
  XENBLACKLIST_CONFIG=dom0.conf findings 1 | grep -qx 'unenforced domain 6 stub'
}

@test "entries that no device model of the host can see" {
  xb_status 0 add 65535 1 --reason a --id leaf
  xb_status 0 add 65535 10..20 --reason a --id range --as-range
  xb_status 0 add 3 const:1:5.10 --reason a --id linux --whole-family
  xb_status 0 add 3 9 --reason a --id watched --mode audit
  xb_status 0 apply
  # A guest that cannot ask is no reason to start anything.
  domain 5 without hvm qemu_xen
  xenstore-write /local/domain/0/device-model/5/disable_pf 1
  [ -z "$(findings 0)" ]
  domain 2 old hvm qemu_xen_traditional
  [ "$(findings 1 | sort)" = $'unseen entry linux\nunseen entry range' ]
  # In a stub domain it may not read what is for dom0 alone.
  xenstore-write /local/domain/2/image/device-model-domid 7
  printf '[publish]\nnode-access = dom0\n' >dom0.conf
  xb_status 0 apply --config dom0.conf
  [ "$(XENBLACKLIST_CONFIG=dom0.conf findings 1 | sort)" = $'unenforced domain 2 old\nunseen entry leaf\nunseen entry linux\nunseen entry range' ]
  xb_status 0 apply
  domain 8 guarded hvm qemu_xen
  guarded 8
  [ -z "$(findings 0)" ]
}

@test "an unreachable xenstore is told beside the rest, 69" {
  xb_status 0 add 65535 2 --reason a --id gone --expires 2026-11-01
  sandbox_kill
  want='expired entry gone
unreachable xenstore'
  [ "$(findings 69 | sort)" = "$want" ]
}

@test "explain: what decides, where it is published, who enforces" {
  xb_status 0 add 65535 xen-win:8.2.0..8.2.2 --reason 'they crash' --id XSA-468 \
    --reference https://xenbits.xen.org/xsa/advisory-468.html --apply
  domain 1 plain hvm qemu_xen
  cat >want <<'END'
Product 65535 'experimental', build 524801 (0x80201), version 8.2.1, of Xen Project Windows PV drivers 7.2 and later, XCP-ng, Qubes
Meant: blacklisted: entry XSA-468 covers it and no exception allows it
Entries:
  entry XSA-468: local, enforce, as nodes, active; it decides
    covers xen-win:8.2.0..8.2.2
    because they crash
    see https://xenbits.xen.org/xsa/advisory-468.html
Guests seen with it:
  none, as far as it was looked for
Nodes:
  /mh/driver-blacklist/experimental/524801: there; readable by dom0 and stub domains
A driver reads from port 0x10 after its build:
  xenblacklistd: 0xd249, blacklisted
  traditional: 0xd249, blacklisted
  qemu: 0x49d2, go on
Enforcement on this host:
DOMAIN  NAME   ENFORCED BY  WHY
     1  plain  none         stock QEMU does not look, and no xenblacklistd does
END
  xb 0 explain 65535 xen-win:8.2.1 --run-directory run <want
  run_json 0 explain 65535 524801
  [ "$(json '[.blacklisted, .answers.traditional, .nodes[0].there, .entries[0].decides]')" = \
    '[true,53833,true,true]' ]
  xb_status 0 exception add 65535 524801 --reason need --owner ops
  run_json 0 explain 65535 524801
  [ "$(json '[.blacklisted, .exceptions[0].decides, .nodes[0].wanted, .nodes[0].there]')" = \
    '[false,true,false,true]' ]
  xenstore-chmod /mh/driver-blacklist/experimental/524800 n0
  run_json 0 explain 65535 524800
  [ "$(json '.nodes[0] | [.access, .stub_domains_read]')" = '["n0",false]' ]
}

@test "explain: both spellings, ranges, products of no device model, no xenstore" {
  xb_status 0 add 65535 4294967295 --reason a --apply
  xb_status 0 add 3 10..20 --reason a --as-range --apply
  run_json 0 explain 65535 4294967295
  [ "$(json '[.nodes[] | [.path, .there]]')" = \
    '[["/mh/driver-blacklist/experimental/4294967295",true],["/mh/driver-blacklist/experimental/-1",true]]' ]
  run_json 0 explain 3 15
  [ "$(json '[.nodes[] | [.path, .wanted, .there]]')" = \
    '[["/mh/driver-blacklist/linux/15",false,false],["/mh/driver-blacklist/linux/_ranges/10-20",true,true]]' ]
  [ "$(json '[.answers[]]')" = '[53833,18898,18898]' ]
  sandbox_kill
  run_json 0 explain 3 15
  [ "$(json '[.blacklisted, (.xenstore_error | type)]')" = '[true,"string"]' ]
  xb_status 0 explain 3 15
  grep -q '^Nodes: not known: ' got.out
}

@test "explain: what blacklists without being meant to is named" {
  xb_status 0 add 65535 10..20 --reason a --as-range --id R --reference https://example.org/a --apply
  xb_status 0 exception add 65535 15 --reason need --owner ops
  run_json 0 explain 65535 15
  [ "$(json '.entries[0].references')" = '["https://example.org/a"]' ]
  [ "$(json '[.blacklisted, .answers.xenblacklistd]')" = '[false,53833]' ]
  [ "$(json '[.nodes[] | [.path, .wanted, .there]]')" = \
    '[["/mh/driver-blacklist/experimental/15",false,false],["/mh/driver-blacklist/experimental/_ranges/10-20",false,true]]' ]
  xb_status 0 explain 65535 15
  grep -qx '  /mh/driver-blacklist/experimental/_ranges/10-20: there, which is not what the registry means; readable by dom0 and stub domains' got.out
  xb_status 0 apply
  xenstore-write /mh/driver-blacklist/_products/65535 elsewhere /mh/driver-blacklist/elsewhere/15 x
  run_json 0 explain 65535 15
  [ "$(json '.nodes[1].path')" = '"/mh/driver-blacklist/elsewhere/15"' ]
}

@test "explain: who can read a node that names domains" {
  xb_status 0 add 65535 5 --reason a --apply
  for perms in 'n0 r7:dom0 and the domains that n0,r7 names' 'n0 n7:dom0 only' 'r0 n7:dom0 and stub domains'; do
    # shellcheck disable=SC2086
    xenstore-chmod /mh/driver-blacklist/experimental/5 ${perms%:*}
    xb_status 0 explain 65535 5
    grep -qx "  /mh/driver-blacklist/experimental/5: there; readable by ${perms#*:}" got.out
  done
}

@test "an ordinary user is told what it may not see" {
  [ "$(id -u)" = 0 ] || skip "only root can become another user"
  local program
  program=$(cli_for_others)
  xb_status 0 add 65535 2 --reason a --id gone --expires 2026-11-01
  chmod 644 registry.db
  # libfaketime shares memory with children: this user has to have its own.
  cat >as.sh <<'END'
#!/bin/sh
lib=$LD_PRELOAD
unset LD_PRELOAD FAKETIME_SHARED
END
  echo "exec setpriv --reuid=12345 --regid=12345 --clear-groups env LD_PRELOAD=\"\$lib\" $program \"\$@\"" >>as.sh
  chmod +x as.sh
  XB=./as.sh xb_status 77 audit
  grep -q '^expired *entry gone' got.out
  grep -q '^unreachable *xenstore .*run as root$' got.out
  XB=./as.sh xb_status 3 status --nagios
  grep -q '^XENBLACKLIST UNKNOWN - this user may not ask xenstore ' got.out
  chmod 600 registry.db
  XB=./as.sh xb 77 list <<'END'
--
xenblacklist: list: cannot read registry './registry.db': Permission denied
END
}
