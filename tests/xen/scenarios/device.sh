# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything over the kernel's device, as on a host whose xenstored runs in a domain of its own
# (xenstore-stubdom): one message per write, no socket, no descriptor to be told of a restart by.
export XENSTORED_PATH=/dev/xen/xenbus
leaf=/mh/driver-blacklist/experimental/590080
there() {
  xenstore-exists "$1"
}
missing() {
  ! xenstore-exists "$1"
}
is_blacklisted() {
  xenblacklist check --live experimental 590080
  [ $? = 1 ]
}
check "the device is there" test -c $XENSTORED_PATH
check "a thousand builds are written" xenblacklist -q add experimental 100000..100999,590080 --reason many \
  --id D-1 --apply
check "nothing is left to do" xenblacklist plan --exit-code
in_step() { # other findings are of guests that were seen
  xenblacklist status | grep 'Drift *none'
}
check "what is there is what is meant" in_step
check "a build is found" is_blacklisted
check "the daemon starts" daemon_start
tiny plain $(linux_way 65535 590080)
check "a guest is created" create plain
check "and runs to its end" go plain
check "it is told" answered plain "49d2 d249"
xenstore-rm $leaf
check "a node that goes missing comes back" within 3 there $leaf
check "the entry is removed" xenblacklist remove D-1 --apply
check "its node is gone" missing $leaf
check "the guest boots again" create plain
check "and runs to its end" go plain
check "it is allowed again" answered plain "49d2 49d2"
check "the daemon stops" daemon_stop
