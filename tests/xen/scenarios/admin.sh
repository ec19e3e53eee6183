# SPDX-License-Identifier: LGPL-2.1-or-later
# The installed program and the daemon together: entries, sightings, healing.
leaf=/mh/driver-blacklist/experimental/590080
there() {
  xenstore-exists "$1"
}
missing() {
  ! xenstore-exists "$1"
}
readable() {
  xenstore-ls -p /mh/driver-blacklist/experimental | grep "^$(basename "$1") = .*(r0)"
}
xb() {
  xenblacklist "$@"
}
check "an entry is made and applied" xb add experimental 590080 --reason "bad driver" --id T-1 --apply
check "the daemon starts" daemon_start
tiny plain $(linux_way 65535 590080)
tiny audit $(linux_way 65535 8)
check "a guest with that build is created" create plain
check "and runs to its end" go plain
check "it is told" answered plain "49d2 d249"
sighted() { # GUEST VERDICT
  xb guests --json | tr -d ' \n' | grep -o "\"guest\":\"$1\"[^}]*" | grep "\"verdict\":\"$2\""
}
check "the sighting is in the registry" within 5 sighted plain blacklisted

xenstore-rm $leaf
check "a node that goes missing comes back" within 3 there $leaf
xenstore-chmod $leaf n0
check "a node that loses its permissions gets them back" within 3 readable $leaf
xenstore-rm /mh
check "a tree that is wiped comes back" within 3 there $leaf

check "an entry is made and not applied" xb add experimental 7 --reason later --id T-2
xenstore-rm $leaf
check "healing goes on" within 5 there $leaf
check "what was not applied is left alone" missing /mh/driver-blacklist/experimental/7

check "an entry in audit mode" xb add experimental 8 --reason watch --id T-3 --mode audit --apply
check "a guest with it" create audit
check "runs to its end" go audit
check "it is allowed" answered audit "49d2 49d2"
check "and seen as one that would have been blocked" within 5 sighted audit audit

check "the entry is removed" xb remove T-1 --apply
sleep 1
check "its node is gone and stays gone" missing $leaf
check "the guest boots again" create plain
check "and runs to its end" go plain
check "it is allowed again" answered plain "49d2 49d2"
check "the daemon stops" daemon_stop
