#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# The whole xenblacklistd beside a stock xenstore daemon, with a hypervisor that is a directory
# (tests/fake-ioreq.c): its processes, what they tell, and what they do when they are taken over.

load cli
load sandbox

setup() {
  cli_setup
  sandbox_start
  export XB_FAKE_XEN=$BATS_TEST_TMPDIR/xen
  mkdir xen
  xb_status 0 add experimental 7 --reason test --whole-family --apply
}

teardown() {
  [ -z "${daemon:-}" ] || kill "$daemon" 2>/dev/null || true
  [ -z "${daemon:-}" ] || wait "$daemon" 2>/dev/null || true
  sandbox_stop
}

daemon_start() {
  "$BUILDDIR/tests/live-daemon" --foreground --verbose --user nobody --run-directory run "$@" 2>log 3>&- &
  daemon=$!
  eventually grep -q ': ready' log
}

domain() { # NUMBER NAME
  touch "xen/$1.domain"
  xenstore-write "/libxl/$1/type" hvm "/local/domain/$1/name" "$2" "/local/domain/$1/vm" \
    "/vm/00000000-0000-0000-0000-00000000000$1"
  [ -z "${daemon:-}" ] || kill -HUP "$daemon"
}

domain_ends() {
  xenstore-rm "/libxl/$1"
  xenstore-rm "/local/domain/$1"
  rm -f "xen/$1.domain" "xen/$1.server"
  kill -HUP "$daemon"
}

# The handshake of a driver, its answers in N.out.
driver() { # NUMBER PRODUCT BUILD
  printf '%s\n' "r 12 1" "w 12 2 $2" "w 10 4 $3" "r 10 2" >"xen/$1.in"
}

text() { # NUMBER TEXT
  printf '%s' "$2" | od -An -v -tu1 -w1 | sed 's/^ */w 12 1 /' >"xen/$1.in"
}

answered() { # NUMBER ANSWERS
  [ "$(tr '\n' ' ' <"xen/$1.out")" = "$2" ]
}

pid_of() {
  sed -n 's/^pid //p' "run/$1.server"
}

another() { # NUMBER PID: not that process any more
  [ "$(pid_of "$1")" != "$2" ] && grep -q '^attached 1' "run/$1.server"
}

forgotten() {
  [ ! -e "run/$1.server" ]
}

ended() {
  if kill -0 "$1"; then return 1; fi
}

# sql QUERY ANSWER
sql() {
  [ "$(sqlite3 registry.db "$1")" = "$2" ]
}

times() { # COUNT PATTERN
  [ "$(grep -c -- "$2" log)" -eq "$1" ]
}

@test "verdicts reach the guest, the log and the registry; SIGUSR1 counts them" {
  domain 5 web
  daemon_start
  driver 5 65535 7
  driver 5 65535 8
  driver 5 999 1
  eventually answered 5 "1 d249 1 49d2 1 49d2 "
  eventually grep -q "domain 5 ('web'): product 65535 build 7: blacklisted" log
  eventually grep -q "domain 5 ('web'): product 999 build 1: unknown product, so allowed" log
  kill -USR1 "$daemon"
  eventually times 1 'replaced$'
  for line in "1 domains are guarded" "1 handshakes: allowed" "1 handshakes: blacklisted" \
    "1 handshakes: unknown product" "0 handshakes were not reported" "0 sightings were lost" \
    "0 bytes of guests' logs were dropped" "0 processes of domains were replaced"; do
    grep -q "$line\$" log
  done
  eventually sql "SELECT guest, verdict FROM sighting WHERE build = 7" 'web|blacklisted'
}

@test "text without a newline is told when the domain ends, and when the daemon does" {
  domain 5 web
  domain 6 db
  daemon_start
  text 5 "last words"
  text 6 "still here"
  driver 5 3 1
  driver 6 3 1
  eventually times 2 'product 3 build 1'
  domain_ends 5
  eventually grep -q "domain 5 ('web') says: last words\$" log
  eventually forgotten 5
  kill "$daemon"
  wait "$daemon"
  grep -q "domain 6 ('db') says: still here\$" log
  [ ! -e run/6.server ]
  [ ! -e xen/6.server ]
}

@test "a long line of a guest is told whole" {
  domain 5 web
  daemon_start
  text 5 "$(head -c 3000 /dev/zero | tr '\0' z)end
"
  eventually grep -q 'zzzend$' log
}

@test "an unplug that nobody has done is told as such" {
  domain 5 web
  daemon_start
  printf '%s\n' "w 12 2 65535" "w 10 2 3" >xen/5.in
  eventually grep -q "unplug 0x3 lost: it came before the driver read its verdict" log
  domain 6 strict
  kill "$daemon"
  wait "$daemon"
  daemon_start --unplug refuse
  driver 6 65535 7
  echo "w 10 2 3" >xen/6.in
  eventually grep -q "unplug 0x3 refused" log
}

@test "a killed process is replaced in the middle of a handshake, and counted" {
  domain 5 web
  daemon_start
  echo "w 12 2 65535" >xen/5.in
  text 5 "half a "
  driver 5 65535 8
  eventually times 1 'build 8: allowed'
  echo "w 12 2 65535" >xen/5.in
  sleep 0.2
  pid=$(pid_of 5)
  kill -9 "$pid"
  eventually another 5 "$pid"
  printf '%s\n' "w 10 4 7" "r 10 2" >xen/5.in
  text 5 "line
"
  eventually grep -q "build 7: blacklisted" log
  eventually grep -q "says: half a line" log
  kill -USR1 "$daemon"
  eventually grep -q "1 processes of domains were replaced" log
}

@test "a domain whose server was taken away and that lives on is guarded anew" {
  domain 5 web
  daemon_start
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
  for turn in 2 3; do
    pid=$(pid_of 5)
    rm xen/5.server
    eventually test -e xen/5.server
    eventually another 5 "$pid"
    driver 5 65535 7
    eventually times $turn 'build 7: blacklisted'
  done
  # One that is dying is not.
  xenstore-rm /local/domain/5
  rm xen/5.server
  eventually forgotten 5
  sleep 3
  [ ! -e xen/5.server ]
}

@test "told to stop while it ends what was left behind, it leaves nothing behind" {
  mkdir run
  for n in 5 6 7; do
    touch xen/$n.domain xen/$n.server xen/$n.slow
    echo "server 1" >run/$n.server
  done
  "$BUILDDIR/tests/live-daemon" -fv --user nobody --run-directory run 2>log 3>&- &
  daemon=$!
  eventually grep -q "left behind in domain" log
  kill "$daemon"
  wait "$daemon"
  for n in 5 6 7; do
    [ ! -e xen/$n.server ]
    [ ! -e run/$n.server ]
  done
}

@test "a domain that cannot be guarded for the moment is guarded when it can" {
  touch xen/5.full
  domain 5 web
  daemon_start
  sleep 3
  times 1 "domain 5 ('web') is not guarded: no room"
  rm xen/5.full
  eventually grep -q "domain 5 ('web') is guarded" log
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
}

@test "a server that cannot be remembered is none: nobody would end it after a crash" {
  mkdir -p run/5.server.new
  domain 5 web
  daemon_start
  sleep 3
  times 1 "cannot create .*5.server.new"
  [ ! -e xen/5.server ]
  rmdir run/5.server.new
  eventually grep -q "domain 5 ('web') is guarded" log
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
}

@test "a guest that does nothing but shake hands: one line in a while counts what is not reported" {
  domain 5 web
  daemon_start
  for _ in $(seq 100); do
    printf '%s\n' "w 12 2 65535" "w 10 4 7" "r 10 2"
  done >shakes
  for _ in 1 2 3 4; do
    cat shakes >xen/5.in
    sleep 0.4
  done
  driver 5 65535 8
  eventually answered 5 "$(printf 'd249 %.0s' $(seq 400))1 49d2 "
  sleep 1
  [ "$(grep -c 'were not reported' log)" -le 2 ]
  grep -q "domain 5 ('web'): [0-9]* handshakes were not reported" log
  kill "$daemon"
  wait "$daemon" || true
  # What was not told yet is told at the end.
  reported=$(grep -c "domain 5 ('web'): product" log)
  others=$(sed -n "s/.*domain 5 ('web'): \([0-9]*\) handshakes were not reported/\1/p" log | awk '{ n += $1 } END { print n + 0 }')
  echo "$reported reported, $others not"
  [ $((reported + others)) -ge 400 ]
}

@test "a process that does not leave is ended" {
  domain 5 web
  daemon_start
  echo stay >xen/5.in
  driver 5 3 1
  eventually times 1 'product 3 build 1'
  pid=$(pid_of 5)
  domain_ends 5
  eventually ended "$pid"
}

@test "a process that hangs up or talks nonsense is replaced" {
  domain 5 web
  daemon_start
  for word in mute nonsense; do
    pid=$(pid_of 5)
    echo $word >xen/5.in
    eventually another 5 "$pid"
  done
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
}

@test "a process that floods fills neither the log nor the registry, and hinders nobody" {
  domain 5 web
  domain 6 db
  daemon_start
  echo flood >xen/5.in
  sleep 1
  driver 6 65535 7
  eventually grep -q "domain 6 ('db'): product 65535 build 7: blacklisted" log
  sleep 3
  n=$(grep -c "domain 5 ('web'): product 3" log)
  echo "lines: $n"
  [ "$n" -ge 64 ]
  [ "$n" -le 600 ]
  eventually sql "SELECT count(*) FROM sighting WHERE guest = 'db'" 1
  [ "$(sqlite3 registry.db "SELECT count(*) FROM sighting WHERE guest = 'web'")" -le 64 ]
}

@test "what a process says is escaped; what it must not say is ignored" {
  domain 5 web
  daemon_start
  echo lie >xen/5.in
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
  grep -q "domain 5 ('web'): .x1b\[31mevil.x0a\$" log
  lacks "unknown, so" log
  grep -q "domain 5 ('web'): unplug 0x0 refused\$" log
}

@test "a guest cannot write that it needs no guarding" {
  domain 5 web
  daemon_start
  xenstore-write /local/domain/5/vm-data/disable_pf 1
  domain 6 db
  eventually grep -q "domain 6 ('db') is guarded" log
  lacks 'not guarded' log
  driver 5 65535 7
  eventually answered 5 "1 d249 "
}

@test "the name of a domain and its uuid are hostile text" {
  touch xen/5.domain
  xenstore-write /libxl/5/type hvm /local/domain/5/vm "/vm/a
server 9"
  xenstore-write /local/domain/5/name "$(printf 'a/../b\033[31m\nx')"
  daemon_start --guest-logs .
  text 5 "hello
"
  eventually test -s a_.._b__31m_x.log
  eventually grep -q "^attached 1" run/5.server
  grep -qx "server 1" run/5.server
  lacks "server 9" run/5.server
  driver 5 65535 7
  eventually times 1 'build 7: blacklisted'
  lacks "$(printf '\033')" log
}

# As an init script starts it: status and out are what that gets.
background() {
  [ -e xenblacklistd ] || cp "$BUILDDIR/tests/live-daemon" xenblacklistd
  status=0
  ./xenblacklistd --user nobody "$@" >out 2>&1 3>&- 9>caller || status=$?
  daemon=$(cat run/lock)
}

@test "in the background nothing of the caller's is kept, and a failure has its own status" {
  domain 5 web
  background --run-directory run
  [ "$status" -eq 0 ]
  [ ! -s out ]
  grep -qx "attached 1" run/5.server
  # Whoever reads from a pipe that one of them kept would wait for ever.
  for pid in "$daemon" $(pgrep -P "$daemon"); do
    readlink "/proc/$pid"/fd/* >>kept
  done
  # Keeper and registrar hang with xenstored: a successor must not have to wait for their lock.
  [ "$(grep -c 'run/lock$' kept)" -eq 2 ]
  lacks "$PWD/out" kept
  lacks "$PWD/caller" kept
  driver 5 65535 7
  eventually sql "SELECT count(*) FROM sighting" 1
  background --run-directory "$PWD/run"
  [ "$status" -eq 75 ]
  [ "$(cat out)" = "xenblacklistd: another xenblacklistd runs as process $daemon" ]
  background --run-directory "$PWD/no/run"
  [ "$status" -eq 73 ]
  grep -q "cannot create '$PWD/no/run': No such file" out
}

@test "standard streams that are closed are nobody else's" {
  domain 5 web
  "$BUILDDIR/tests/live-daemon" -fv --user nobody --run-directory run <&- >&- 2>&- 3>&- &
  daemon=$!
  eventually grep -qx "attached 1" run/5.server
  [ "$(cat run/lock)" = "$daemon" ]
  for pid in "$daemon" $(pgrep -P "$daemon"); do
    readlink "/proc/$pid"/fd/[0-2] >>kept
  done
  [ "$(sort kept | uniq -c | sed 's/^ *//')" = "12 /dev/null" ]
}

# As "xl rename" does, and "xl migrate" at the end.
@test "a domain that is renamed is called by its new name: in the log, its own log, the registry" {
  domain 5 web--incoming
  daemon_start --guest-logs .
  text 5 "before
"
  eventually grep -q before web--incoming.log
  xenstore-write /local/domain/5/name web
  renamed() {
    text 5 "after
"
    grep -q after web.log
  }
  eventually renamed
  driver 5 65535 7
  eventually grep -q "domain 5 ('web'): product 65535 build 7: blacklisted" log
  eventually sql "SELECT guest FROM sighting WHERE build = 7" web
}
