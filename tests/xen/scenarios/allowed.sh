# SPDX-License-Identifier: LGPL-2.1-or-later
# A stock Debian kernel is allowed: QEMU unplugs, as without us.
check "the daemon starts" daemon_start
check "a Linux guest is created" linux good 1
check "it boots and powers off" go good 450
check "its kernel unplugs" said good "unplug emulated"
check "it was seen" logged "'good'.*product 3 build 1: allowed"
check "the daemon stops" daemon_stop
