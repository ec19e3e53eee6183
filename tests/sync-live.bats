#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# From a signed manifest on an HTTPS origin to the nodes that a device model consults.

load cli
load origin
load sandbox

setup_file() {
  SRCDIR=$(cd "${SRCDIR:-$BATS_TEST_DIRNAME/..}" && pwd)
  export SRCDIR
  origin_make "$BATS_FILE_TMPDIR/origin"
  origin_key a
  cp "$ORIGIN_DIR/a.pub" "$ORIGIN_DIR/keys.d/"
  origin_start
}

teardown_file() {
  origin_stop
}

setup() {
  sandbox_start
  cli_setup
  export XENBLACKLIST_CONFIG=sync.conf
  printf '[upstream]\nurl = %s/manifest.json\nkeys = %s/keys.d\nca-file = %s/ca.pem\nretries = 0\n' \
    "$ORIGIN_URL" "$ORIGIN_DIR" "$ORIGIN_DIR" >sync.conf
}

teardown() {
  sandbox_stop
}

# manifest VERSION BUILDS [PUBLISH]
manifest() {
  cat >"$ORIGIN_DIR/www/manifest.json" <<END
{ "format": "xenblacklist-manifest", "spec": 1, "version": $1,
  "issued": "2026-11-20T00:00:00Z", "expires": "2026-12-20T00:00:00Z",
  "encodings": [], "products": [],
  "entries": [ { "id": "T-1", "product": 65535, "builds": "$2", "reason": "r",
                 "publish": "${3:-nodes}" } ] }
END
  origin_sign "$ORIGIN_DIR/www/manifest.json" a
}

tree() {
  xenstore-ls -p /mh 2>/dev/null
}

@test "from the manifest to the nodes, twice, and away again" {
  manifest 1 'xen-win:8.2.0..8.2.2,2147483648'
  run_json 0 sync
  [ "$(json '[.outcome,.applied > 0]')" = '["changed",true]' ]
  [ "$(xenstore-read /mh/driver-blacklist/experimental/524801)" = xb1:T-1 ]
  [ "$(xenstore-read /mh/driver-blacklist/experimental/-2147483648)" = xb1:T-1 ]
  [ "$(xenstore-read /mh/driver-blacklist/_products/65535)" = experimental ]
  xb_status 1 check --live 65535 xen-win:8.2.1
  tree >before
  run_json 0 sync
  [ "$(json '[.outcome,.applied]')" = '["same",0]' ]
  tree | diff before -
  manifest 2 1
  xb_status 0 sync
  xb_status 0 check --live 65535 xen-win:8.2.1
  xb_status 1 check --live 65535 1
}

@test "what is refused leaves xenstore as it was too" {
  manifest 1 '1000'
  xb_status 0 sync
  tree >before
  manifest 2 '1..2000'
  xb_status 65 sync
  grep ': TRIPWIRE: ' got.err
  echo >>"$ORIGIN_DIR/www/manifest.json"
  xb_status 65 sync
  grep ': BADSIG: ' got.err
  manifest 2 1001
  XB_NOW='2026-12-21 00:00:00' xb_status 65 sync
  grep ': EXPIRED: ' got.err
  tree | diff before -
}

@test "a sync with no news mends what was removed" {
  manifest 1 1000
  xb_status 0 sync
  xenstore-rm /mh/driver-blacklist/experimental
  xb_status 0 check --live 65535 1000
  xb_status 0 sync
  xb_status 1 check --live 65535 1000
}

@test "no daemon, no change: the next sync still has the news" {
  manifest 1 1000
  sandbox_kill
  xb_status 69 sync
  xb_status 0 check 65535 1000
  sandbox_again
  xb_status 0 sync
  xb_status 1 check --live 65535 1000
}

@test "a daemon that hangs costs bounded time and changes no registry" {
  manifest 1 1000
  xb_status 0 sync
  manifest 2 1001
  kill -STOP "$(sandbox_pid)"
  local before start=$SECONDS
  before=$(sha256sum registry.db)
  xb_status 69 sync || { kill -CONT "$(sandbox_pid)"; return 1; }
  kill -CONT "$(sandbox_pid)"
  [ $((SECONDS - start)) -lt 100 ]
  [ "$before" = "$(sha256sum registry.db)" ]
  xb_status 0 sync
  xb_status 1 check --live 65535 1001
}
