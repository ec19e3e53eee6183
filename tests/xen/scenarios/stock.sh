# SPDX-License-Identifier: LGPL-2.1-or-later
# The host itself: a stock QEMU answers the handshake and never looks at the blacklist.
blacklist experimental 590080
tiny plain $(linux_way 65535 590080)
check "a tiny guest is built" create plain
xl unpause plain
check "the tiny guest ends" finish plain 40
check "stock QEMU allows what is blacklisted" answered plain "49d2 49d2"
