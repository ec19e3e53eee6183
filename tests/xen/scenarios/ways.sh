# SPDX-License-Identifier: LGPL-2.1-or-later
# Other ways to say what decides, and other guests than Linux.
root=/mh/driver-blacklist
xenstore-write $root/experimental/_ranges/590000-590100 test
xenstore-write $root/_products/205 vmdp
xenstore-write $root/vmdp/7 test
xenstore-write $root/experimental/-2 test
check "the daemon starts with a tree that was there before" daemon_start

tiny range $(linux_way 65535 590080)
tiny number $(linux_way 205 7)
create range && create number
check "two guests at once: both are guarded" attached range
xl unpause range
check "two guests at once: the second ends" go number
check "two guests at once: the first ends" finish range 60
check "blacklisted by a range" answered range "49d2 d249"
check "blacklisted by a number that only _products knows" answered number "49d2 d249"

# A second product after the verdict; the signed spelling; a product that nobody knows.
tiny several $(linux_way 65535 4294967294 | sed 's/7,8,0x49d2 2,0x10,3 0,0,0//') \
  2,0x12,4711 3,0x10,1 5,0x10,0 2,0x12,205 3,0x10,8 5,0x10,0 2,0x12,205 3,0x10,7 5,0x10,0 0,0,0
create several
check "a guest with several products ends" go several
check "each gets its own verdict" answered several "49d2 d249 49d2 49d2 d249"
check "an unknown product is logged" logged "'several'.*product 4711 build 1: unknown product, so allowed"

# The BSD way: magic, then the unplug word, no product. It talks to QEMU all the time.
tiny bsd 5,0x10,0 2,0x10,3 5,0x10,0 0,0,0
create bsd
check "the BSD way ends" go bsd
check "the BSD way is QEMU's" answered bsd "49d2 49d2"

# The OSv way: product and build without a look at the answer.
tiny osv 5,0x10,0 4,0x12,0 2,0x12,0xffff 3,0x10,0 2,0x10,0xffff 0,0,0
create osv
check "the OSv way ends" go osv
check "the OSv way is seen" logged "'osv'.*product 65535 build 0: allowed"

# Every port and width, in and out, in a senseless order.
garbage=
for p in 0x10 0x11 0x12 0x13; do
  garbage="$garbage 1,$p,0 4,$p,0 5,$p,0 6,$p,0 3,$p,7 2,$p,205 3,$p,4294967295 5,$p,0 10,$p,5 9,$p,3"
done
tiny garbage $garbage $garbage 2,0x12,0 2,0x12,205 3,0x10,7 5,0x10,0 12,0,35 0,0,0
create garbage
check "garbage ends" go garbage
check "after garbage the verdict is right" sh -c "tr -d '\r' <$tmp/garbage.log | grep -q -B1 '^#' &&
  tr -d '\r' <$tmp/garbage.log | grep -B1 '^#' | grep -q '10=d249'"

# The log channel by string instruction, more than the limiter lets through, control bytes in it.
tiny talker 9,0x12,4096 8,0,60 12,0,35 0,0,0
printf '\033[2JFAKE domain 9: allowed\r\nplain words\n' |
  dd of=$tmp/talker.img bs=1 seek=$((512 + 512)) conv=notrunc 2>/dev/null
create talker
check "a guest that floods the log ends" go talker 90
check "its words are marked as the guest's" logged "'talker'\) says: plain words"
check "its control bytes do not arrive" sh -c "! grep -q \"\$(printf '\033')\" $tmp/syslog"
check "the limiter says what it dropped" logged "'talker'.*bytes of its log were dropped"
check "the daemon stops" daemon_stop
