# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that is saved and restored, or migrated, is another domain: guarded again, told the same.
blacklist experimental 7
check "the daemon starts" daemon_start
tiny nap 5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,7 5,0x10,0 8,0,150 0,0,0
check "a guest starts" create nap
attached nap
xl unpause nap
turns() {
  [ "$(grep -c 10= $tmp/nap.log)" -ge "$1" ]
}
within 60 turns 10
old=$(xl domid nap)
check "it is saved" xl save nap $tmp/nap.save
check "its domain is not guarded any more" within 10 sh -c "! [ -e /run/xenblacklistd/$old.server ]"
cp $tmp/nap.log $tmp/nap.before
check "it is restored" xl restore $tmp/nap.save
introduce nap
check "and guarded" attached nap
check "it ends" finish nap 200
cat $tmp/nap.before $tmp/nap.log >$tmp/all.log
tail -n 20 $tmp/nap.log >$tmp/tail.log
check "after the restore it is blacklisted too" grep -q '10=d249' $tmp/tail.log

# A migration, to this host: until its end the arriving domain is called "mover--incoming".
tiny mover 5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,7 5,0x10,0 11,0,100000 8,0,6000 0,0,0
check "another guest starts" create mover
attached mover
xl unpause mover
moving() {
  [ "$(grep -c 10= $tmp/mover.log)" -ge "$1" ]
}
within 60 moving 4
check "it is migrated" xl migrate -s '' mover 'xl migrate-receive'
introduce mover
check "and guarded" attached mover
number mover
check "it is told the same there, and called by its name" within 30 \
  logged "domain $number \('mover'\): product 65535 build 7: blacklisted"
xl destroy mover
check "the daemon stops" daemon_stop
