#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# guests: what logs and xenstore tell about running drivers, and what of it can be believed.

load cli
load sandbox

setup() {
  sandbox_start
  cli_setup
  mkdir logs
  printf '[observe]\nlogs = %s/logs/*\n' "$PWD" >scan.conf
  export XENBLACKLIST_CONFIG=scan.conf
  export NO_FAKE_STAT=1 # libfaketime leaves the files' times alone
}

teardown() {
  sandbox_stop
}

# log NAME FILE: a log of the corpus, last written on a known day.
log() {
  cat "$SRCDIR/tests/data/logs/$2" >>"logs/$1"
  touch -d '2026-11-19 08:00:00' "logs/$1"
}

@test "nothing seen" {
  xb 0 guests </dev/null
  run_json 0 guests
  [ "$(json '[.scan, .sightings]')" = '[null,[]]' ]
  xb 66 guests web <<'END'
--
xenblacklist: guests: guest 'web' was not seen
END
}

@test "logs of every kind, once and again" {
  log qemu-dm-web.log traditional-gplpv
  log qemu-dm-web.log.1 console-dated
  log guest-work-dm.log stubdom
  log daemon.log xenserver-syslog
  log qemu-dm-evil.log hostile
  log qemu-dm-new.log stock-qemu
  gzip logs/qemu-dm-web.log.1
  touch -d '2026-11-18 08:00:00' logs/qemu-dm-web.log.1.gz
  xb 0 guests --scan <<'END'
GUEST     PRODUCT                         BUILD  VERSION  VERDICT      SOURCE  TRUST    LAST SEEN
domain-5  3 linux                             1           allowed      log     claimed  2026-11-19T08:00:00Z
domain-6  4 xenserver-windows-v7.0+         513  0002/01  blacklisted  log     claimed  2026-11-19T08:00:00Z
domain-7  1 xensource-windows             86451  86451    blacklisted  log     claimed  2026-11-19T08:00:00Z
domain-8  2 gplpv-windows                     1           unknown      log     claimed  2026-11-19T08:00:00Z
web       2 gplpv-windows                     1           allowed      log     claimed  2026-11-19T08:00:00Z
work      1 xensource-windows             86451  86451    blacklisted  log     claimed  2026-11-19T08:00:00Z
work      2 gplpv-windows                     1           allowed      log     claimed  2026-11-19T08:00:00Z
work      65535 experimental         2147483648           allowed      log     claimed  2026-11-19T08:00:00Z
web       65535 experimental             590080  9.1.0    blacklisted  log     claimed  2026-11-18T08:00:00Z
--
xenblacklist: guests: 6 log files, 0 of them unchanged, 0 unreadable; 0 running guests
END
  run_json 0 guests --scan
  [ "$(json '[.scan.files, .scan.unchanged, .scan.announcements]')" = '[6,6,0]' ]
  [ "$(json '[.sightings[] | .count] | add')" = 9 ]
  run_json 0 guests web
  [ "$(json '[.sightings[] | [.build, .trust, .version]]')" = '[[1,"claimed",null],[590080,"claimed","9.1.0"]]' ]
}

@test "what running guests say in xenstore is claimed" {
  xenstore-write /local/domain/5/name web /local/domain/5/vm /vm/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0 \
    /local/domain/5/drivers/0 'XenProject XENBUS 9.1.0' /local/domain/0/name Domain-0
  run_json 0 guests --scan
  [ "$(json '[.scan.domains, .scan.answers]')" = '[1,1]' ]
  [ "$(json '.sightings | map([.guest, .uuid, .build, .source, .trust, .verdict])')" = \
    '[["web","0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",590080,"xenstore","claimed","unknown"]]' ]
}

@test "without xenstore the logs are read all the same" {
  log qemu-dm-web.log traditional-gplpv
  XENSTORED_PATH=/nowhere xb_status 0 guests --scan
  grep -q '^web  *2 gplpv-windows  *1 .* claimed ' got.out
  grep -q "running guests were not asked: cannot connect to xenstore at '/nowhere'" got.err
}

@test "names and files from outside" {
  log "$(printf 'qemu-dm-\033[2Jx.log')" traditional-gplpv
  mkdir logs/qemu-dm-dir.log
  mkfifo logs/qemu-dm-fifo.log
  xb_status 0 guests --scan
  lacks "$(printf '\033')" got.out
  lacks "$(printf '\033')" got.err
  grep -q "cannot read '.*/qemu-dm-fifo.log': not a regular file" got.err
  grep -q '3 log files, 0 of them unchanged, 2 unreadable' got.err
}

@test "no byte from outside acts upon a terminal, also not in JSON" {
  hostile=$(printf 'a\302\233[2J\342\200\256b\330\234c\303\251')
  xenstore-write /local/domain/5/name "$hostile" /local/domain/5/drivers/0 'XenProject XENBUS 9.1.0'
  xb_status 0 guests --scan
  grep -qF 'a\xc2\x9b[2J\xe2\x80\xaeb\xd8\x9ccé' got.out
  run_json 0 guests
  grep -qF 'a\u009b[2J\u202eb\u061ccé' out.json
  [ "$(jq -r '.sightings[0].guest' out.json)" = "$hostile" ]
}

@test "observing is no change: no history, no generation, an intact registry" {
  log qemu-dm-web.log traditional-many
  run_json 0 history
  before=$(json '.history | length')
  xb_status 0 guests --scan
  run_json 0 history
  [ "$(json '.history | length')" = "$before" ]
  xb_status 0 history --verify
}
