#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# The program that speaks to the network, and what sync does when it is not there, dies, lies or
# may not give up its privileges.

load cli
load origin

setup_file() {
  SRCDIR=$(cd "${SRCDIR:-$BATS_TEST_DIRNAME/..}" && pwd)
  export SRCDIR
  origin_make "$BATS_FILE_TMPDIR/origin"
  origin_key a
  origin_start
  faults_start
}

teardown_file() {
  origin_stop
}

setup() {
  cli_setup
  WWW=$ORIGIN_DIR/www
  mkdir keys.d
  cp "$ORIGIN_DIR/a.pub" keys.d/
  export XENBLACKLIST_CONFIG=sync.conf
  : >"$ORIGIN_DIR/faults.log"
  host
  cat >"$WWW/manifest.json" <<'END'
{ "format": "xenblacklist-manifest", "spec": 1, "version": 42,
  "issued": "2026-11-20T00:00:00Z", "expires": "2026-12-20T00:00:00Z",
  "encodings": [], "products": [], "entries": [
    { "id": "T-1", "product": 65535, "builds": "1000", "reason": "r" } ] }
END
  origin_sign "$WWW/manifest.json" a
  SIGNATURE=$ORIGIN_URL/manifest.json.minisig
}

host() { # host KEY=VALUE...
  {
    printf '[upstream]\nkeys = keys.d\nretries = 0\nurl = %s/manifest.json\n' "$ORIGIN_URL"
    [[ " $* " == *' ca-file ='* ]] || echo "ca-file = $ORIGIN_DIR/ca.pem"
    [ $# = 0 ] || printf '%s\n' "$@"
  } >sync.conf
}

# alone: the program in a directory of its own, without its helper; lies: beside a lying one.
alone() {
  mkdir -p bin
  cp "$XB" bin/
  XB=$PWD/bin/xenblacklist
}

lies() { # lies LIE STATUS MESSAGE
  [ -d bin ] || alone
  cp "$SRCDIR/tests/lying-helper.py" bin/xenblacklist-fetch
  echo "$1" >bin/lie
  xb "$2" sync --no-apply <<END
--
xenblacklist: sync: $3
END
}

# A sync of URL in the background: PARENT, and CHILD when its helper is what it wants to be.
slow_sync() {
  (xb_run sync --no-apply --url "$1" >got.out 2>got.err 8>registry.secret) &
  SHELL_PID=$!
  local i
  PARENT='' CHILD=''
  for ((i = 0; i < 200; i++)); do
    PARENT=$(pgrep -P "$SHELL_PID" -x xenblacklist || true)
    [ -z "$PARENT" ] || CHILD=$(pgrep -P "$PARENT" || true)
    if [ -n "$CHILD" ] && grep -q '^Seccomp:.2$' "/proc/$CHILD/status" 2>/dev/null &&
      grep -q "^${1#"$FAULTS_URL"} " "$ORIGIN_DIR/faults.log"; then
      return 0
    fi
    sleep 0.05
  done
  cat got.err
  return 1
}

@test "no process but the helper has libcurl" {
  ldd "$XB" >libraries
  lacks 'curl\|ssl' libraries
  ldd "${XB%/*}/xenblacklist-fetch" | grep libcurl
  xb_status 0 --version
  grep '^curl [0-9][0-9.]* .*, in xenblacklist-fetch$' got.out
}

@test "the helper is not there" {
  alone
  xb_status 70 sync --no-apply
  grep "^xenblacklist: sync: cannot start '/.*/xenblacklist/xenblacklist-fetch': No such file or directory: it is a part of xenblacklist$" got.err ||
    [ -x /usr/libexec/xenblacklist/xenblacklist-fetch ]
  # Only sync needs it, and nobody can name another one.
  xb_status 0 check 65535 1000
  xb_status 0 verify "$WWW/manifest.json"
  xb_status 0 --version
  grep '^curl: cannot start ' got.out
  mkdir path
  cp "${BUILDDIR:-$SRCDIR}/xenblacklist-fetch" path/
  PATH=$PWD/path:$PATH xb_status 70 sync --no-apply
  : >bin/xenblacklist-fetch
  xb 70 sync --no-apply <<END
--
xenblacklist: sync: cannot start '$PWD/bin/xenblacklist-fetch': Permission denied: it is a part of xenblacklist
END
}

@test "nobody starts it by hand" {
  local status=0
  "${BUILDDIR:-$SRCDIR}/xenblacklist-fetch" 3<&- 2>got.err || status=$?
  [ "$status" = 64 ]
  grep "run by 'xenblacklist sync', not by hand" got.err
}

@test "while it downloads: nobody, no way back, no files, no programs, no terminal, no environment" {
  export SSL_CERT_FILE=/nowhere CURL_HOME=/nowhere SECRET=s3cret no_proxy=localhost
  host 'timeout = 20'
  slow_sync "$FAULTS_URL/drip/manifest.json"
  cat "/proc/$CHILD/status" >status
  ls -l "/proc/$CHILD/fd" >fds
  tr '\0' '\n' <"/proc/$CHILD/environ" >environment 2>/dev/null || true
  cat "/proc/$CHILD/limits" >limits
  local session
  session=$(cut -d' ' -f6 "/proc/$CHILD/stat")
  kill "$PARENT"
  wait "$SHELL_PID" || true
  grep '^NoNewPrivs:.1$' status
  grep '^Seccomp:.2$' status
  grep '^CapEff:.0000000000000000$' status
  [ "$session" = "$CHILD" ]
  grep '^Max core file size  *0  *0 ' limits
  grep '^Max file size  *0  *0 ' limits
  lacks registry fds
  lacks 'SSL_CERT_FILE\|CURL_HOME\|SECRET\|^HOME=\|^PATH=\|^XEN' environment
  if [ "$(id -u)" = 0 ]; then
    grep '^Uid:.65534.65534.65534.65534$' status
    grep '^Gid:.65534.65534.65534.65534$' status
    grep '^Groups:[[:space:]]*$' status
    grep '^no_proxy=localhost$' environment
  fi
  local i
  for ((i = 0; i < 100; i++)); do
    [ -e "/proc/$CHILD" ] || break
    sleep 0.05
  done
  [ ! -e "/proc/$CHILD" ]
}

@test "killed while it downloads" {
  host 'timeout = 20'
  slow_sync "$FAULTS_URL/drip/manifest.json"
  kill -KILL "$CHILD"
  local status=0
  wait "$SHELL_PID" || status=$?
  [ "$status" = 69 ]
  echo "xenblacklist: sync: cannot fetch '$FAULTS_URL/drip/manifest.json': xenblacklist-fetch was killed by signal 9" | diff - got.err
}

@test "stopped while it downloads: the time budget is the parent's" {
  host 'timeout = 2'
  slow_sync "$FAULTS_URL/drip/manifest.json"
  kill -STOP "$CHILD"
  local status=0
  wait "$SHELL_PID" || status=$?
  [ "$status" = 69 ]
  grep "cannot fetch '$FAULTS_URL/drip/manifest.json': no answer within the time limit" got.err
  [ ! -e "/proc/$CHILD" ]
}

@test "one that dies does not keep a good mirror away" {
  host 'timeout = 20'
  sed -i "s,^url = .*,url = $FAULTS_URL/drip/manifest.json\nmirrors = $ORIGIN_URL/manifest.json," sync.conf
  (xb_run sync --no-apply >got.out 2>got.err) &
  local shell=$! parent='' child='' i status=0
  for ((i = 0; i < 200; i++)); do
    parent=$(pgrep -P "$shell" -x xenblacklist || true)
    [ -z "$parent" ] || child=$(pgrep -P "$parent" || true)
    [ -z "$child" ] || ! grep -q '^/drip/manifest.json ' "$ORIGIN_DIR/faults.log" || break
    sleep 0.05
  done
  kill -KILL "$child"
  wait "$shell" || status=$?
  [ "$status" = 0 ]
  grep '^manifest 42 taken' got.out
  grep 'was no help: .*xenblacklist-fetch was killed by signal 9' got.err
}

@test "lies at the start" {
  host 'timeout = 1'
  alone
  local start="cannot start '$PWD/bin/xenblacklist-fetch'"
  lies dies-first 69 "$start: xenblacklist-fetch ended with status 3"
  lies garbage 69 "$start: xenblacklist-fetch talks nonsense"
  lies hello-long 69 "$start: xenblacklist-fetch talks nonsense"
  lies other-version 70 "$start: it is of another version of xenblacklist"
  lies mute 69 "$start: no answer within the time limit"
  echo trouble >bin/lie
  xb_status 77 sync --no-apply
  grep -F "$start: cannot?[31m?xxxxx" got.err
  lacks $'\033' got.err
}

@test "lies about a fetch" {
  host 'timeout = 1' 'max-size = 100000'
  alone
  local fetch="cannot fetch '$SIGNATURE'"
  lies dies 69 "$fetch: xenblacklist-fetch ended with status 3"
  lies too-much 65 "TOOBIG: '$SIGNATURE' is larger than 4096 bytes"
  lies long-frame 65 "TOOBIG: '$SIGNATURE' is larger than 4096 bytes"
  local lie
  for lie in bad-type bad-progress bad-outcome not-asked evil-etag unended-etag flood no-header; do
    lies $lie 69 "$fetch: xenblacklist-fetch talks nonsense"
  done
  lies unsigned 65 "BADSIG: signature file '$SIGNATURE' has to have exactly 4 lines"
  echo terminal >bin/lie
  xb_status 69 sync --no-apply
  grep -F "$fetch: ?[31mred??xxxxx" got.err
  [ "$(wc -c <got.err)" -lt 1000 ]
}

@test "lies about a header" {
  alone
  printf '[upstream]\nkeys = keys.d\n[header]\nurl = %s/pvdrivers.h\n' "$ORIGIN_URL" >sync.conf
  local lie header=$ORIGIN_URL/pvdrivers.h
  for lie in half-a-row long-name big-number no-text; do
    lies $lie 69 "cannot fetch '$header': xenblacklist-fetch talks nonsense"
  done
  lies no-header 65 "SCHEMA: '$header': ?[31mred"
  lies rows 0 "product 7, 'seven', is new
xenblacklist: sync: product 7, 'again', of the header was not added: the number is there already
xenblacklist: sync: product 8, '', of the header was not added: product 8: the name is empty
xenblacklist: sync: product 9, '\\x1b[31m', of the header was not added: product 9: the name holds control or invisible characters: '\\x1b[31m'"
}

@test "one that is silent, deaf or never done ends with the time budget" {
  host 'timeout = 1'
  alone
  local fetch="cannot fetch '$SIGNATURE'" begin=$SECONDS
  lies silent 69 "$fetch: no answer within the time limit"
  lies deaf 69 "$fetch: no answer within the time limit"
  lies endless 69 "$fetch: no answer within the time limit"
  [ $((SECONDS - begin)) -lt 100 ]
  # A file of authorities that it does not read fills the socket.
  { cat "$ORIGIN_DIR/ca.pem"; head -c 4000000 /dev/zero; } >big.pem
  host 'timeout = 1' 'ca-file = big.pem'
  lies deaf 69 "cannot start '$PWD/bin/xenblacklist-fetch': no answer within the time limit"
}

@test "authorities that only root can read" {
  cp "$ORIGIN_DIR/ca.pem" ca.pem
  chmod 600 ca.pem
  chmod 700 .
  host 'ca-file = ca.pem'
  xb_status 0 sync --no-apply
  grep '^manifest 42 taken' got.out
}

@test "OpenSSL and libcurl are not led astray by the environment" {
  host 'ca-file ='
  SSL_CERT_FILE=$ORIGIN_DIR/ca.pem CURL_CA_BUNDLE=$ORIGIN_DIR/ca.pem xb_status 69 sync --no-apply
  grep "cannot fetch '$SIGNATURE': SSL certificate problem" got.err
}

# conquered WENT: what a hostile libcurl in the helper gets through with.
conquered() {
  local lib
  lib=$(cli_faketime)
  XB_FAKETIME="$lib:${BUILDDIR:-$SRCDIR}/tests/conquered.so" xb 69 sync --no-apply <<END
--
xenblacklist: sync: cannot fetch '$SIGNATURE': $1
END
}

@test "a libcurl that is conquered can read and connect" {
  if [ "$(id -u)" = 0 ]; then
    conquered ' read inet unix'
  else
    conquered ' read inet root groups' || conquered ' read inet'
  fi
}

# Capabilities as in xenblacklist-sync.service: the parent may not even kill the helper.
@test "with the capabilities of the service, and with none" {
  [ "$(id -u)" = 0 ] || skip "only root can become another user"
  cat >few <<END
#!/bin/sh
exec setpriv --no-new-privs --bounding-set "\$CAPABILITIES" --inh-caps=-all $XB "\$@"
END
  chmod +x few
  XB=$PWD/few
  grep '^CapabilityBoundingSet=CAP_SETUID CAP_SETGID$' "$SRCDIR/data/systemd/xenblacklist-sync.service.in"
  export CAPABILITIES=-all,+setuid,+setgid
  xb_status 0 sync --no-apply
  conquered ' read inet unix'
  host 'timeout = 1'
  xb_status 69 sync --no-apply --url "$FAULTS_URL/silent/manifest.json"
  grep 'Operation timed out' got.err
  # It stays root then, with less than nobody can do; to be root and in group 0 is nothing new.
  CAPABILITIES=-all
  xb_status 0 sync --no-apply
  conquered ' read inet root groups'
}
