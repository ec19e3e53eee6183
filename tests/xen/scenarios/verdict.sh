# SPDX-License-Identifier: LGPL-2.1-or-later
# A real verdict for a real guest: the same tiny guest is told what the tree says.
check "the daemon starts" daemon_start
tiny plain $(linux_way 65535 590080)

check "a guest is created" create plain
check "an allowed guest runs to its end" go plain
check "an allowed guest reads the magic twice" answered plain "49d2 49d2"
check "the verdict is logged" logged "'plain'.*product 65535 build 590080: allowed"

blacklist experimental 590080
check "the next one is created" create plain
check "a blacklisted guest runs to its end" go plain
check "a blacklisted guest is told so" answered plain "49d2 d249"
check "the blacklisting is logged" logged "'plain'.*product 65535 build 590080: blacklisted"

xenstore-rm /mh/driver-blacklist/experimental/590080
check "a third one is created" create plain
check "it runs to its end" go plain
check "allowed again after the removal" answered plain "49d2 49d2"
check "the daemon stops" daemon_stop
check "nothing is left of it" sh -c "! ls /run/xenblacklistd/*.server 2>/dev/null"
