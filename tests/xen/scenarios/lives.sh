# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests that come back, and guests that go in the middle of something.
blacklist experimental 4242
check "the daemon starts" daemon_start

# xl builds a restarted guest anew and does not wait for anybody: the daemon has to be in time.
tiny phoenix 5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,4242 5,0x10,0 11,0,1000000 8,5,3 13,0,0
on_reboot=restart
check "a guest that restarts is created" create phoenix
on_reboot=
attached phoenix
first=$(xl domid phoenix)
xl unpause phoenix
is_another() { # NAME DOMID: has another number
  now=$(xl domid "$1") && [ "$now" != "$2" ]
}
told() { # NAME "MAGIC MAGIC"
  [ "$(magics "$1")" = "$2 " ]
}
check "it comes back" within 60 is_another phoenix "$first"
check "it is told again" within 60 told phoenix "49d2 d249"
second=$(xl domid phoenix)
xenstore-rm /mh/driver-blacklist/experimental/4242
check "it comes back once more" within 60 is_another phoenix "$second"
check "it is allowed after the removal" within 60 told phoenix "49d2 49d2"
xl destroy phoenix
blacklist experimental 4242

descriptors() {
  ls "/proc/$(daemon_pid)/fd" | wc -l
}
nothing_left() {
  ! ls /run/xenblacklistd/*.server 2>/dev/null && ! pidof xenblacklistd-g
}
check "nothing is left of it" within 10 nothing_left
before=$(descriptors)
hammer="5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,4242 5,0x10,0 8,0,60 0,0,0"
tiny short $hammer
for i in 1 2 3 4; do
  create short
  xl unpause short
  # The later, the farther it has come.
  usleep $((i * 400000))
  xl destroy short
done
check "nothing is left of guests that lived shortly" within 10 nothing_left
check "no descriptor is lost" [ "$(descriptors)" = "$before" ]

turns() {
  [ "$(grep -c 10= $tmp/short.log)" -ge "$1" ]
}
check "a guest starts to hammer" create short
attached short
xl unpause short
within 60 turns 10
check "it is paused in the middle" xl pause short
sleep 1
xl unpause short
check "it goes on" within 60 turns 40
check "it is destroyed in the middle" xl destroy short
check "nothing is left of it" within 10 nothing_left
check "the daemon stops" daemon_stop
