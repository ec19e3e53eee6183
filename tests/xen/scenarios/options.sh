# SPDX-License-Identifier: LGPL-2.1-or-later
# Other ways to run the daemon, and domains that are none of its business.
mkdir -p /var/log/guests
blacklist experimental 7
check "the daemon starts" daemon_start --unplug refuse --fail closed --guest-logs /var/log/guests
# Text first (before a verdict), then a blacklisted driver that unplugs all the same.
tiny stubborn 1,0x12,104 1,0x12,105 1,0x12,10 $(linux_way 65535 7 | sed 's/ 0,0,0//;s/7,8,0x49d2 2,0x10,3//') \
  2,0x10,3 5,0x10,0 2,0x12,4711 3,0x10,1 5,0x10,0 0,0,0
tiny without 5,0x10,0 0,0,0
check "a domain without the platform device is created" create without 'xen_platform_pci=0'
for type in pv pvh; do
  printf '%s\n' "name='$type'" "type='$type'" 'memory=128' 'kernel="/guest/vmlinuz"' >$tmp/$type.cfg
  check "a domain of type $type is created" xl create -p $tmp/$type.cfg
  introduce $type
done
# What came before it has been looked at when it is guarded.
check "a guest is created" create stubborn
check "and guarded" attached stubborn
unguarded() {
  number "$1"
  [ -n "$number" ] && [ ! -e "/run/xenblacklistd/$number.server" ]
}
for name in without pv pvh; do
  check "'$name' is not guarded" within 10 unguarded $name
  check "and audit has nothing to say about it" sh -c "! xenblacklist audit | grep '^unenforced .* $name '"
  xl destroy $name
done
check "audit knows who answers" sh -c "xenblacklist audit | grep ' stubborn  *xenblacklistd '"
status() {
  grep -q "^$2" "/proc/$(record "$1" pid)/status"
}
check "its process has a user of its own" status stubborn "Uid:.990.990.990.990"
check "no capability" status stubborn "CapEff:.0000000000000000"
check "no bounding set" status stubborn "CapBnd:.0000000000000000"
check "no new privileges" status stubborn "NoNewPrivs:.1"
check "and a filter over its system calls" status stubborn "Seccomp:.2"
check "the guest ends" go stubborn
check "blacklisted it stays, and so is what nobody knows" answered stubborn "49d2 d249 d249 d249"
check "its unplug is refused" logged "'stubborn'.: unplug 0x3 refused"
check "its text is in a file of its own" grep -q "guest says: hi" /var/log/guests/stubborn.log
check "the daemon stops" daemon_stop
check "none of its processes is left" sh -c "! pidof xenblacklistd xenblacklistd-g xenblacklistd-k xenblacklistd-r"

check "the daemon starts" daemon_start
check "a second daemon is refused" sh -c "! xenblacklistd --foreground"
check "the daemon stops" daemon_stop
