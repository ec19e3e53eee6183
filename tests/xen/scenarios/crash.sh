# SPDX-License-Identifier: LGPL-2.1-or-later
# Whatever dies, no guest hangs: a guest repeats the handshake while things are killed around it.
N=60
hammer() { # NAME
  tiny "$1" 5,0x10,0 4,0x12,0 2,0x12,65535 3,0x10,7 5,0x10,0 8,0,$N 0,0,0
  create "$1" && attached "$1" && xl unpause "$1"
}
turns() { # NAME COUNT: so many answers were read
  [ "$(grep -c 10= $tmp/"$1".log)" -ge "$2" ]
}
alone() { # NAME: every answer is one of the two
  ! magics "$1" | tr ' ' '\n' | grep -vxE '49d2|d249|'
}
all_blacklisted() { # NAME: not one wrong answer
  [ "$(magics "$1" | tr ' ' '\n' | grep -c d249)" = "$N" ] && [ "$(magics "$1" | wc -w)" = $((2 * N)) ]
}
blacklist experimental 7
check "the daemon starts" daemon_start

check "a guest starts to hammer" hammer child
for turn in 15 40 70 100; do
  within 30 turns child $turn
  kill -9 "$(record child pid)"
done
check "its process was killed four times: it ends" finish child 90
check "and every answer was right" all_blacklisted child

check "a guest starts to hammer" hammer super
within 30 turns super 20
kill -9 "$(daemon_pid)"
within 30 turns super 40
check "after the supervisor was killed another one starts" daemon_start
check "and guards the guest again" attached super
check "the guest ends" finish super 90
check "and no answer was none" alone super
check "it was blacklisted before and after" sh -c "[ \$(grep -c =d249 $tmp/super.log) -gt 10 ]"

check "a guest starts to hammer" hammer all
within 30 turns all 20
kill -9 $(pidof xenblacklistd) "$(record all pid)"
usleep 300000
check "after everything was killed at once the daemon starts" daemon_start
check "it destroys what was left" logged "destroying the server that was left behind"
check "the guest ends" finish all 90
check "and no answer was none" alone all

check "a guest starts to hammer" hammer wipe
within 30 turns wipe 20
xenstore-rm /mh
check "the tree is wiped: the guest ends" finish wipe 90
check "and no answer was none" alone wipe
blacklist experimental 7

check "a guest starts to hammer" hammer hung
within 30 turns hung 20
pid=$(record hung pid)
kill -STOP "$(cat /run/xenstored.pid)"
before=$(grep -c 10= $tmp/hung.log)
sleep 4
after=$(grep -c 10= $tmp/hung.log)
kill -9 "$pid"
usleep 500000
kill -CONT "$(cat /run/xenstored.pid)"
check "xenstored hangs: the guest goes on" [ "$after" -gt "$before" ]
check "and ends" finish hung 90
check "and every answer was right" all_blacklisted hung
check "the daemon stops" daemon_stop
check "nothing is left" sh -c "! ls /run/xenblacklistd/*.server 2>/dev/null"
