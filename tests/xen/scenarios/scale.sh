# SPDX-License-Identifier: LGPL-2.1-or-later
# Ten thousand nodes: a change among them reaches a guarded guest.
mkdir -p /etc/xenblacklist
printf '[publish]\nexpand-limit = 10000\n' >/etc/xenblacklist/xenblacklist.conf
check "10,000 builds are written" xenblacklist -q add experimental 100000..109999 --reason many --id M-1 --apply
check "the daemon starts" daemon_start
# It repeats the handshake with a build that is not listed, until it is.
tiny loop 5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,200000 5,0x10,0 11,0,20000 8,0,4000 0,0,0
check "a guest repeats the handshake" create loop
attached loop
xl unpause loop
verdict() { # MAGIC: of the last handshake; one of its two answers is always 49d2
  set -- "$1" $(magics loop | tr ' ' '\n' | tail -n 2)
  [ "$1" = 49d2 ] && [ "$2$3" = 49d249d2 ] || { [ "$1" = d249 ] && echo "$2$3" | grep -q d249; }
}
turns() {
  local up end
  uptime
  end=$((up + 60))
  until verdict "$1"; do
    uptime
    [ "$up" -lt $end ] || return 1
    usleep 20000
  done
}
clock() {
  cut -d' ' -f1 /proc/uptime
}
check "it is allowed" turns 49d2
start=$(clock)
blacklist experimental 200000
check "a new node reaches it" turns d249
new=$(clock)
xenstore-rm /mh/driver-blacklist/experimental/200000
check "a node that goes reaches it" turns 49d2
say "beside 10,000 nodes, emulated: a new one after $(echo "$start $new $(clock)" |
  awk '{ printf "%.2f s, one that goes after %.2f s", $2 - $1, $3 - $2 }')"
xl destroy loop
check "the daemon stops" daemon_stop
rm -f /etc/xenblacklist/xenblacklist.conf
