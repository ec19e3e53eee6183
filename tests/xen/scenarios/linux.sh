# SPDX-License-Identifier: LGPL-2.1-or-later
# A stock Debian kernel with two vcpus is blacklisted: what it says about itself.
blacklist linux 1
check "the daemon starts" daemon_start
check "a Linux guest with two vcpus is created" linux bad 2
check "it boots and powers off" go bad 550
check "its kernel was told" said bad "Xen Platform: blacklisted by host"
check "its kernel does not unplug" sh -c "! grep -q 'unplug emulated' $tmp/bad.log"
check "it has two vcpus" said bad "up with 2 vcpus"
check "it was seen" logged "'bad'.*product 3 build 1: blacklisted"
check "the daemon stops" daemon_stop
