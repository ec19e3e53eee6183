#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# sync and verify against a real HTTPS origin and a faulty one, real keys and a clock that the test
# sets. Every case states status, stdout and stderr; a sync that fails leaves the registry byte for
# byte as it was.

load cli
load origin

setup_file() {
  SRCDIR=$(cd "${SRCDIR:-$BATS_TEST_DIRNAME/..}" && pwd)
  export SRCDIR
  origin_make "$BATS_FILE_TMPDIR/origin"
  local key
  for key in a b c; do origin_key $key; done
  origin_start
  faults_start
}

teardown_file() {
  origin_stop
}

# A host that trusts key a, and a first manifest: version 42, one entry of one build.
setup() {
  cli_setup
  WWW=$ORIGIN_DIR/www
  A=$(origin_key_id a) B=$(origin_key_id b)
  rm -rf "${WWW:?}"/* keys.d
  mkdir keys.d
  cp "$ORIGIN_DIR/a.pub" keys.d/
  : >"$ORIGIN_DIR/faults.log"
  : >"$ORIGIN_DIR/access.log"
  export XENBLACKLIST_CONFIG=sync.conf
  host
  manifest 42
}

# host KEY=VALUE...: the configuration; "policy KEY=VALUE" goes to [policy].
host() {
  local line
  {
    echo '[upstream]'
    [[ " $* " == *' url ='* ]] || echo "url = $ORIGIN_URL/manifest.json"
    echo "keys = keys.d"
    [[ " $* " == *' ca-file ='* ]] || echo "ca-file = $ORIGIN_DIR/ca.pem"
    [[ " $* " == *' retries ='* ]] || echo 'retries = 0'
    for line in "$@"; do [[ $line == policy\ * ]] || echo "$line"; done
    echo '[policy]'
    for line in "$@"; do [[ $line != policy\ * ]] || echo "${line#policy }"; done
  } >sync.conf
}

ENTRY='{ "id": "T-1", "product": 65535, "builds": "1000", "reason": "r" }'

# document VERSION [ENTRIES [REST]]: a manifest's text. ISSUED and EXPIRES may be set.
document() {
  cat <<END
{ "format": "xenblacklist-manifest", "spec": 1, "version": $1,
  "issued": "${ISSUED:-2026-11-20T00:00:00Z}", "expires": "${EXPIRES:-2026-12-20T00:00:00Z}",
  "encodings": [ ${ENCODINGS:-} ], "products": [ ${PRODUCTS:-} ],
  "entries": [ ${2-$ENTRY} ]${3:-} }
END
}

# manifest VERSION [ENTRIES [REST]]: published, signed by SIGNERS (default: a).
manifest() {
  document "$@" >"$WWW/manifest.json"
  # shellcheck disable=SC2086
  origin_sign "$WWW/manifest.json" ${SIGNERS:-a}
}

entries() { # entries FIRST LAST: ids and builds counted up
  seq "$1" "$2" | sed 's/.*/{ "id": "T-&", "product": 65535, "builds": "&", "reason": "r" }/' | paste -sd,
}

took() { # took VERSION [ARG...]: a sync that takes it
  local version=$1
  shift
  xb_status 0 sync --no-apply "$@" || return 1
  grep -q "^manifest $version taken: signed by " got.out || { cat got.out; return 1; }
}

# refused STATUS MESSAGE [ARG...]: exactly this on stderr, nothing on stdout, nothing changed.
refused() {
  local status=$1 message=$2 before after
  shift 2
  before=$(sha256sum registry.db 2>/dev/null || true)
  xb "$status" sync --no-apply "$@" <<END || return 1
--
xenblacklist: sync: $message
END
  after=$(sha256sum registry.db 2>/dev/null || true)
  if [ -n "$before" ] && [ "$before" != "$after" ]; then
    echo "the registry has changed"
    return 1
  fi
  [ ! -e registry.db-journal ]
}

U() { echo "$ORIGIN_URL/manifest.json"; }
F() { echo "$FAULTS_URL/$1/manifest.json"; }

# faulty FAULT STATUS MESSAGE: @ stands for the URL.
faulty() {
  refused "$2" "${3//@/\'$(F "$1")\'}" --url "$(F "$1")"
}

# ---- what works ----

@test "the first sync, the same again, and a new version" {
  xb 0 sync --no-apply <<END
manifest 42 taken: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  xb 1 check 65535 1000 <<'END'
blacklisted: T-1: r
END
  xb 0 sync --no-apply <<'END'
manifest 42: nothing new, expires 2026-12-20T00:00:00Z
END
  manifest 43 "${ENTRY/1000/1001}"
  xb 0 sync --no-apply <<END
manifest 43 taken: signed by $A, expires 2026-12-20T00:00:00Z
entries: 0 added, 1 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
}

@test "the second sync asks whether anything has changed; only what was taken is remembered" {
  host 'policy max-new = 0'
  refused 65 "TRIPWIRE: manifest version 42 blacklists 1 new builds, more than '[policy] max-new' = 0 (--accept-version 42 takes it)"
  host
  took 42
  xb_status 0 sync --no-apply
  [ "$(grep -c '^/manifest.json 200 ' "$ORIGIN_DIR/access.log")" = 2 ]
  [ "$(grep -c '^/manifest.json 304 ' "$ORIGIN_DIR/access.log")" = 1 ]
  grep '^/manifest.json 304 "xenblacklist/[0-9.]*" ' "$ORIGIN_DIR/access.log"
}

@test "JSON" {
  run_json 0 sync --no-apply
  [ "$(json '[.outcome,.version,.previous,.signers,.entries.added,.new_builds,.dry_run]')" = \
    "[\"changed\",42,0,[\"$A\"],1,1,false]" ]
  run_json 0 sync --no-apply
  [ "$(json '[.outcome,.not_modified,.version]')" = '["same",true,42]' ]
  echo x >>"$WWW/manifest.json"
  run_json 65 sync --no-apply
  [ "$(json '[.code,.exit_status]')" = '["BADSIG",65]' ]
  run_json 0 verify "$WWW/manifest.json" --accept-version 42 || run_json 65 verify "$WWW/manifest.json"
}

@test "a dry run says what would be done and does nothing" {
  xb_status 0 product list
  local before
  before=$(sha256sum registry.db)
  xb 0 sync --dry-run <<END
manifest 42 would be taken: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
  [ "$before" = "$(sha256sum registry.db)" ]
}

@test "from a file, by the same road" {
  took 42 --from "$WWW/manifest.json"
  xb 0 sync --no-apply --from "$WWW/manifest.json" <<'END'
manifest 42: nothing new, expires 2026-12-20T00:00:00Z
END
  mv "$WWW/manifest.json.minisig" elsewhere
  manifest 43
  mv "$WWW/manifest.json.minisig" new
  refused 65 "BADSIG: no signature: '$WWW/manifest.json.minisig' is not there" --from "$WWW/manifest.json"
  refused 65 "BADSIG: 'elsewhere' by key $A does not match the data" --from "$WWW/manifest.json" --signature elsewhere
  took 43 --from "$WWW/manifest.json" --signature new
  refused 66 "cannot open 'nothing': No such file or directory" --from nothing
  refused 74 "cannot read 'keys.d': Is a directory" --from keys.d
}

@test "from a pipe, when its writer is ready" {
  took 42 --from <(sleep 0.5; cat "$WWW/manifest.json") --signature <(sleep 0.5; cat "$WWW/manifest.json.minisig")
  mkfifo nobody
  refused 65 "BADSIG: no signature: 'nobody.minisig' is not there" --from nobody
}

@test "verify does the same checks, changes nothing, and needs no registry of its own" {
  xb 0 verify "$WWW/manifest.json" <<END
manifest 42 is good: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
END
  took 42
  local before
  before=$(sha256sum registry.db)
  xb 0 verify "$WWW/manifest.json" <<'END'
manifest 42: nothing new, expires 2026-12-20T00:00:00Z
END
  manifest 41
  xb_status 65 verify "$WWW/manifest.json"
  grep ': ROLLBACK: ' got.err
  [ "$before" = "$(sha256sum registry.db)" ]
  XENBLACKLIST_REGISTRY=/proc/none/registry.db xb 0 verify "$WWW/manifest.json" <<END
manifest 41 is good: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: verify: checked against the shipped registry: cannot create registry '/proc/none/registry.db': No such file or directory
END
}

@test "mirrors: the first that is good is taken" {
  host "mirrors = $(F 503) $(F ok)" "url = $(F cut)"
  xb 0 sync --no-apply <<END
manifest 42 taken: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: sync: '$(F cut)' was no help: '$(F cut).minisig' by key $A does not match the data
xenblacklist: sync: '$(F 503)' was no help: cannot fetch '$(F 503)': the server answers with status 503
END
  host "mirrors = $(F 503)" "url = $(F cut)"
  manifest 43
  refused 65 "BADSIG: all 1 mirrors failed too, first: '$(F cut).minisig' by key $A does not match the data"
}

# ---- signatures ----

@test "BADSIG: no signature, another's, of other data, changed" {
  took 42
  manifest 43
  mv "$WWW/manifest.json.minisig" good
  refused 65 "BADSIG: no signature: '$(U).minisig' is not there"
  cp good "$WWW/manifest.json.minisig"
  echo >>"$WWW/manifest.json"
  refused 65 "BADSIG: '$(U).minisig' by key $A does not match the data"
  SIGNERS=b manifest 43
  refused 65 "BADSIG: '$(U).minisig' is by key $B, which is not trusted"
  manifest 43
  sed -i '3s/test/best/' "$WWW/manifest.json.minisig"
  refused 65 "BADSIG: '$(U).minisig' by key $A does not match its trusted comment"
  echo more >>"$WWW/manifest.json.minisig"
  refused 65 "BADSIG: signature file '$(U).minisig' goes on after line 4"
  manifest 43
  sed -i '3s/$/\r/' "$WWW/manifest.json.minisig"
  refused 65 "BADSIG: signature file '$(U).minisig' line 3 holds a control byte"
  minisign -S -l -W -s "$ORIGIN_DIR/a.key" -m "$WWW/manifest.json" </dev/null
  refused 65 "BADSIG: signature file '$(U).minisig' is a legacy signature ('Ed'): sign again with a minisign of version 0.10 or later, without -l"
  head -c 5000 /dev/zero >"$WWW/manifest.json.minisig"
  refused 65 "TOOBIG: '$(U).minisig' is larger than 4096 bytes"
  manifest 43
  took 43
}

@test "THRESHOLD: two different keys have to sign" {
  cp "$ORIGIN_DIR/b.pub" "$ORIGIN_DIR/c.pub" keys.d/
  host 'threshold = 2'
  refused 65 "THRESHOLD: signed by 0 of the 2 trusted keys needed: no '$(U).KEYID.minisig' of one is there"
  cp "$WWW/manifest.json.minisig" "$WWW/manifest.json.$A.minisig"
  refused 65 'THRESHOLD: signed by 1 of the 2 trusted keys needed'
  cp "$WWW/manifest.json.minisig" "$WWW/manifest.json.$B.minisig"
  refused 65 'THRESHOLD: signed by 1 of the 2 trusted keys needed'
  SIGNERS='a c' manifest 42
  xb 0 sync --no-apply <<END
manifest 42 taken: signed by $(printf '%s\n' "$A" "$(origin_key_id c)" | sort | paste -sd, | sed 's/,/, /'), expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
END
}

@test "the trusted keys have to be there, and good" {
  rm keys.d/*
  refused 78 "no trusted key in 'keys.d': put the publisher's minisign .pub file there"
  echo x >keys.d/x.pub
  refused 78 "'keys.d/x.pub' has to have exactly 2 lines"
  head -c -1 "$ORIGIN_DIR/a.pub" >keys.d/x.pub
  refused 78 "'keys.d/x.pub' has to have exactly 2 lines, and the last does not end in a line feed"
  cp "$ORIGIN_DIR/a.pub" keys.d/x.pub
  chmod o+w keys.d/x.pub
  refused 78 "'keys.d/x.pub' can be written by everybody: 'chmod o-w' it, after a look at what is there"
  chmod o-w keys.d/x.pub
  chmod 1777 keys.d
  refused 78 "'keys.d' can be written by everybody: 'chmod o-w' it, after a look at what is there"
  rm -r keys.d
  refused 78 "cannot list the trusted keys in 'keys.d': No such file or directory"
  mkdir keys.d
  cp "$ORIGIN_DIR/a.pub" keys.d/
  host 'threshold = 2'
  refused 78 "'keys.d' holds 1 trusted keys, fewer than the threshold of 2"
}

# ---- format ----

@test "SCHEMA: the place of the error is told" {
  took 42
  sed -i 's/"spec": 1/"spec": 1,,/' "$WWW/manifest.json"
  origin_sign "$WWW/manifest.json" a
  refused 65 'SCHEMA: manifest line 1, column 48: want the name of a member in double quotes'
  manifest 43 "$ENTRY, ${ENTRY/r\" \}/r\", \"mode\": \"no\" \}}"
  refused 65 'SCHEMA: manifest entries[1].mode: want "enforce" or "audit"'
  manifest 43 "$ENTRY, $ENTRY"
  refused 65 'SCHEMA: manifest entries[1].id: is the same as in entries[0]'
  manifest 43 "$ENTRY, { \"id\": \"A\", \"product\": 65535, \"builds\": \"5..4\", \"reason\": \"r\" }"
  xb_status 65 sync --no-apply
  grep '^xenblacklist: sync: SCHEMA: manifest entries\[1\].builds: ' got.err
  manifest 43 "${ENTRY/65535/77}"
  refused 65 'SCHEMA: manifest entries[0].product: there is no product 77'
  PRODUCTS='{ "number": 77, "name": "x", "status": "assigned", "encodings": [ { "name": "none" } ] }' manifest 43
  xb_status 65 sync --no-apply
  grep '^xenblacklist: sync: SCHEMA: manifest products\[0\]: ' got.err
  document 43 | sed 's/"spec": 1/"spec": 2/' >"$WWW/manifest.json"
  origin_sign "$WWW/manifest.json" a
  refused 65 'SCHEMA: manifest spec: this program knows 1 only, not 2'
  printf '<html>' >"$WWW/manifest.json"
  origin_sign "$WWW/manifest.json" a
  refused 65 "SCHEMA: manifest line 1, column 1: want '{'"
}

@test "members that are not known: a notice, or CRITICAL" {
  manifest 42 "${ENTRY/\"reason/\"severity\": 9, \"reason}" ', "future": [1]'
  xb 0 sync --no-apply <<END
manifest 42 taken: signed by $A, expires 2026-12-20T00:00:00Z
entries: 1 added, 0 changed, 0 removed, 1 in the manifest
builds: 1 more than before
--
xenblacklist: sync: no guest was ever seen with a driver: whom this hits is not known (see 'xenblacklist guests --scan')
xenblacklist: sync: the manifest has a member that this program does not know: 'entries.severity' (1 time)
xenblacklist: sync: the manifest has a member that this program does not know: 'future' (1 time)
END
  manifest 43 "$ENTRY" ', "future": [1], "critical": ["entries", "future"]'
  refused 65 "CRITICAL: manifest critical[1]: this program does not know 'future', and the publisher says that it has to"
}

@test "text of the manifest cannot drive a terminal" {
  manifest 42 "$ENTRY" ', "x\u001b[31m": 1'
  xb_status 0 sync --no-apply
  grep -F "'x\\x1b[31m'" got.err
  lacks $'\033' got.err
}

# ---- versions ----

@test "ROLLBACK and SAMEVERSION; going back deliberately" {
  took 42
  manifest 41
  refused 65 'ROLLBACK: manifest version 41 is older than 42, which was taken already (--accept-version 41 goes back)'
  refused 65 'ROLLBACK: manifest version 41 is older than 42, which was taken already (--accept-version 41 goes back)' --accept-version 40
  manifest 42 "${ENTRY/1000/1001}"
  refused 65 'SAMEVERSION: manifest version 42 is not the version 42 that was taken before: other bytes'
  manifest 41
  took 41 --accept-version 41
  manifest 42
  took 42
}

@test "a removed list does not forget the version" {
  took 42
  manifest 43 ''
  took 43
  manifest 42
  refused 65 'ROLLBACK: manifest version 42 is older than 43, which was taken already (--accept-version 42 goes back)'
}

# ---- dates ----

@test "EXPIRED and FUTURE, to the second" {
  EXPIRED="EXPIRED: the manifest expired at '2026-12-20T00:00:00Z': its publisher has to issue a new one, or this mirror is stale"
  XB_NOW='2026-12-19 23:59:59' took 42
  manifest 43
  XB_NOW='2026-12-20 00:00:00' refused 65 "$EXPIRED"
  XB_NOW='2027-12-20 00:00:00' refused 65 "$EXPIRED"
  XB_NOW='2026-11-19 23:54:59' refused 65 "FUTURE: the manifest was issued at '2026-11-20T00:00:00Z', and this host's clock says '2026-11-19T23:54:59Z'"
  XB_NOW='2026-11-19 23:55:00' took 43
}

@test "dates at the ends of the calendar: what is taken can be read again, the rest is refused" {
  ISSUED=0001-01-01T00:00:00Z EXPIRES=9999-12-31T23:59:59Z manifest 42
  took 42
  xb 0 sync --no-apply <<'END'
manifest 42: nothing new, expires 9999-12-31T23:59:59Z
END
  run_json 0 sync --no-apply
  [ "$(json .issued)" = '"0001-01-01T00:00:00Z"' ]
  xb_status 0 status
  EXPIRES=9999-12-31T23:59:59-01:00 manifest 43
  refused 65 "SCHEMA: manifest expires: want a date like '2026-11-20T00:00:00Z'"
  xb 64 add linux 5 --reason r --expires +1000000w <<'END'
--
xenblacklist: add: bad date for '--expires': '+1000000w' (2026-12-31, 2026-12-31T12:00:00Z or +30d)
END
}

@test "freeze: expiry is looked at with 304, with the same bytes, and with files" {
  EXPIRED="EXPIRED: the manifest expired at '2026-12-20T00:00:00Z': its publisher has to issue a new one, or this mirror is stale"
  took 42
  XB_NOW='2026-12-20 00:00:00' refused 65 "$EXPIRED"
  tail -n1 "$ORIGIN_DIR/access.log" | grep '^/manifest.json 304 '
  XB_NOW='2026-12-20 00:00:00' refused 65 "$EXPIRED" --from "$WWW/manifest.json"
  XB_NOW='2026-12-20 00:00:00' refused 65 "$EXPIRED" --url "$(F ok)"
  XB_NOW='2026-12-20 00:00:00' refused 65 "$EXPIRED" --from "$WWW/manifest.json" --accept-version 42
}

@test "a clock that cannot be right" {
  XB_NOW='2000-01-01 00:00:00' xb_status 65 sync --no-apply --from "$WWW/manifest.json"
  grep "FUTURE: the clock of this host says '2000-01-01T00:00:00Z', which cannot be: set it first" got.err
}

# ---- the network ----

@test "redirects stay on https and are few" {
  took 42 --url "$(F hops-3)"
  faulty hops-4 65 'REDIRECT: @ redirects more than 3 times'
  faulty 307-loop 65 'REDIRECT: @ redirects more than 3 times'
  faulty to-http 65 'REDIRECT: @ redirects to something that is not https'
  faulty to-file 65 'REDIRECT: @ redirects to something that is not https'
  [ ! -e "$ORIGIN_DIR/plain.log" ]
}

@test "TOOBIG: counted while receiving" {
  host 'max-size = 100000'
  faulty endless 65 'TOOBIG: @ is larger than 100000 bytes'
  faulty huge 65 'TOOBIG: @ is larger than 100000 bytes'
  host 'max-size = 100'
  refused 65 "TOOBIG: '$(U)' is larger than 100 bytes"
  refused 65 "TOOBIG: '$WWW/manifest.json' is larger than 100 bytes" --from "$WWW/manifest.json"
}

@test "bodies that end too early" {
  faulty short 69 'cannot fetch @: transfer closed with 10 bytes remaining to read'
  faulty truncated 69 'cannot fetch @: transfer closed with outstanding read data remaining'
  faulty cut 65 "BADSIG: '$(F cut).minisig' by key $A does not match the data"
}

@test "answers that are none" {
  faulty 404 69 '@ is not there: status 404'
  faulty 403 69 'cannot fetch @: the server answers with status 403'
  faulty 206 69 'cannot fetch @: the server answers with status 206'
  faulty 304 69 'cannot fetch @: the server answers with status 304'
  faulty endless-headers 69 'cannot fetch @: its headers do not end'
  faulty gzip 65 "BADSIG: '$(F gzip).minisig' by key $A does not match the data"
  faulty portal-all 65 "BADSIG: signature file '$(F portal-all).minisig' has to have exactly 4 lines"
}

@test "a server that hangs or drips ends with the time budget" {
  host 'timeout = 1'
  local start=$SECONDS
  XB_FRACTION='[0-9]* milliseconds'
  xb_status 69 sync --no-apply --url "$(F silent)"
  grep "^xenblacklist: sync: cannot fetch '$(F silent)': Operation timed out after $XB_FRACTION" got.err
  xb_status 69 sync --no-apply --url "$(F drip)"
  grep "^xenblacklist: sync: cannot fetch '$(F drip)': Operation timed out after $XB_FRACTION" got.err
  [ $((SECONDS - start)) -lt 100 ]
}

@test "what is transient is tried again, what is not is not" {
  host 'retries = 1'
  took 42 --url "$(F 503-once)"
  [ "$(grep -c '^/503-once/manifest.json ' "$ORIGIN_DIR/faults.log")" = 2 ]
  xb_status 0 sync --no-apply --url "$(F 429-once)"
  xb_status 0 sync --no-apply --url "$(F 408-once)"
  # A day is more than the budget: not waited for.
  faulty 429-long 69 'cannot fetch @: the server answers with status 429'
  faulty 403 69 'cannot fetch @: the server answers with status 403'
  faulty other-then-ok 65 "BADSIG: '$(F other-then-ok).minisig' by key $A does not match the data"
  [ "$(grep -c '^/other-then-ok/manifest.json ' "$ORIGIN_DIR/faults.log")" = 1 ]
  [ "$(grep -c '^/403/manifest.json ' "$ORIGIN_DIR/faults.log")" = 1 ]
}

@test "validators belong to one URL and one set of keys" {
  took 42 --url "$(F 304-known)"
  xb_status 0 sync --no-apply --url "$(F 304-known)"
  grep '^/304-known/manifest.json 2 - "v1"$' "$ORIGIN_DIR/faults.log"
  xb_status 0 sync --no-apply --url "$(F ok)"
  tail -n1 "$ORIGIN_DIR/faults.log" | grep '^/ok/manifest.json [0-9]* - -$'
  xb_status 0 sync --no-apply --url "$(F 304-known)"
  xb_status 0 sync --no-apply --url "$(F 304-known)"
  grep '^/304-known/manifest.json 4 - "v1"$' "$ORIGIN_DIR/faults.log"
  # Another trusted key: what was verified before has to be verified again.
  cp "$ORIGIN_DIR/b.pub" keys.d/
  xb_status 0 sync --no-apply --url "$(F 304-known)"
  grep '^/304-known/manifest.json 5 - -$' "$ORIGIN_DIR/faults.log"
  # An ETag that could not be sent back is not kept.
  xb_status 0 sync --no-apply --url "$(F etag-evil)"
  xb_status 0 sync --no-apply --url "$(F etag-evil)"
  grep '^/etag-evil/manifest.json 2 - -$' "$ORIGIN_DIR/faults.log"
}

@test "https only, a known authority only, a pinned key if wanted" {
  refused 64 "'http://localhost/manifest.json' is not an https URL" --url http://localhost/manifest.json
  refused 64 "'file:///etc/passwd' is not an https URL" --url file:///etc/passwd
  refused 64 "'(not a URL)' is not an https URL" --url 'https://'
  host 'url = http://localhost/x'
  refused 78 "'sync.conf' line 5: url 'http://localhost/x' does not begin with https://"
  host 'ca-file ='
  xb_status 69 sync --no-apply
  grep "cannot fetch '$(U).minisig': SSL certificate problem" got.err
  host 'ca-file = none'
  refused 78 "cannot open ca-file 'none': No such file or directory"
  host "ca-file = $XENBLACKLIST_CONFIG"
  refused 78 "ca-file 'sync.conf' holds no certificate in PEM"
  local pin
  pin=$(openssl x509 -in "$ORIGIN_DIR/server.pem" -pubkey -noout | openssl pkey -pubin -outform der |
    openssl dgst -sha256 -binary | base64)
  host "pinned-public-key = sha256//$pin"
  took 42
  host "pinned-public-key = sha256//${pin/?/x}"
  refused 69 "cannot fetch '$(U).minisig': SSL: public key does not match pinned public key"
}

@test "no server, no name" {
  refused 69 "cannot fetch 'https://localhost:1/m.minisig': Failed to connect to localhost port 1 after 0 ms: Couldn't connect to server" --url https://localhost:1/m ||
    grep "cannot fetch 'https://localhost:1/m.minisig': Failed to connect to localhost port 1" got.err
  xb_status 69 sync --no-apply --url https://nowhere.invalid/m
  grep "cannot fetch 'https://nowhere.invalid/m.minisig': Could not resolve host: nowhere.invalid" got.err
}

@test "user, password and query of a URL are used and never shown or stored" {
  local url="https://user:s3cret@${ORIGIN_URL#https://}/manifest.json?token=s3cret"
  xb_status 0 sync --no-apply --url "$url"
  lacks s3cret got.out
  lacks s3cret got.err
  lacks s3cret registry.db
  tail -n1 "$ORIGIN_DIR/access.log" | grep '^/manifest.json?token=s3cret 200 .*"Basic '
  head -n1 "$ORIGIN_DIR/access.log" | grep '^/manifest.json.minisig?token=s3cret 200 '
  rm "$WWW/manifest.json"
  refused 69 "'$(U)' is not there: status 404" --url "$url"
}

# ---- tripwires ----

@test "TRIPWIRE: a whole family, unless it is allowed" {
  manifest 42 '{ "id": "T-1", "product": 2, "builds": "all", "reason": "r", "publish": "range" }'
  refused 65 "TRIPWIRE: manifest entries[0].builds: 'all' stands for every driver of product 2 ([policy] family = allow or --whole-family takes it)"
  manifest 42 '{ "id": "T-1", "product": 2, "builds": "0.11.0", "reason": "r" }'
  refused 65 "TRIPWIRE: manifest entries[0].builds: '0.11.0' stands for every driver of product 2 ([policy] family = allow or --whole-family takes it)"
  took 42 --whole-family
  manifest 43 '{ "id": "T-1", "product": 2, "builds": "0.12.0", "reason": "r" }'
  refused 65 "TRIPWIRE: manifest entries[0].builds: '0.12.0' stands for every driver of product 2 ([policy] family = allow or --whole-family takes it)"
  host 'policy family = allow'
  took 43
}

@test "TRIPWIRE: growth, measured in builds" {
  manifest 42 "$(entries 1 1001)"
  refused 65 "TRIPWIRE: manifest version 42 blacklists 1001 new builds, more than '[policy] max-new' = 1000 (--accept-version 42 takes it)"
  manifest 42 "$(entries 1 1000)"
  took 42
  # The same builds in one entry are no growth and no loss.
  manifest 43 "${ENTRY/1000/1..1000}"
  took 43
  grep -v '^builds' got.out
  manifest 44 "${ENTRY/1000/1..3000}"
  refused 65 "TRIPWIRE: manifest version 44 blacklists 2000 new builds, more than '[policy] max-new' = 1000 (--accept-version 44 takes it)" --accept-version 43
  took 44 --accept-version 44
  # A later date does not hide growth.
  manifest 45 "${ENTRY/1000\"/1..5000\", \"not_before\": \"2030-01-01T00:00:00Z\"}"
  refused 65 "TRIPWIRE: manifest version 45 blacklists 2000 new builds, more than '[policy] max-new' = 1000 (--accept-version 45 takes it)"
}

@test "TRIPWIRE: most of the list gone" {
  manifest 42 "$(entries 1 10)"
  took 42
  manifest 43 "$(entries 7 10)"
  refused 65 'TRIPWIRE: manifest version 43 removes 6 of 10 entries (--accept-version 43 takes it)'
  manifest 43 ''
  refused 65 'TRIPWIRE: manifest version 43 removes 10 of 10 entries (--accept-version 43 takes it)'
  manifest 43 "$(entries 6 10)"
  took 43
  manifest 44 ''
  took 44 --accept-version 44
}

@test "BUDGET: what could not be published is not taken" {
  host 'policy max-new = 100000'
  manifest 42 "${ENTRY/1000/1..5000}"
  xb_status 65 sync --no-apply
  grep "^xenblacklist: sync: BUDGET: " got.err
  manifest 42 "${ENTRY/1000\"/1..5000\", \"publish\": \"range\"}"
  took 42
}

# ---- keys ----

rotate() { # rotate VERSION THRESHOLD KEYS REVOKED
  local name list='' gone=''
  for name in $3; do list="$list${list:+, }\"$(origin_key_line "$name")\""; done
  for name in $4; do gone="$gone${gone:+, }\"$(origin_key_line "$name")\""; done
  manifest "$1" "$ENTRY" ", \"keys\": { \"threshold\": $2, \"keys\": [ $list ], \"revoked\": [ $gone ] }"
}

@test "keys rotate when the old and the new ones have signed" {
  took 42
  rotate 43 1 b a
  refused 65 "THRESHOLD: the manifest's new keys have not signed it: signed by 0 of the 1 keys needed"
  SIGNERS=b rotate 43 1 b a
  refused 65 "BADSIG: '$(U).minisig' is by key $B, which is not trusted"
  SIGNERS='b a' rotate 43 1 b a
  xb 0 sync --no-apply <<END
manifest 43 taken: signed by $A, expires 2026-12-20T00:00:00Z
--
xenblacklist: sync: the trusted keys are those of this manifest from now on
END
  # From now on the old key counts for nothing.
  manifest 44
  refused 65 "BADSIG: '$(U).minisig' is by key $A, which is revoked"
  SIGNERS=b manifest 44
  took 44
  # The same keys again are no rotation.
  SIGNERS=b rotate 45 1 b a
  took 45
  [ ! -s got.err ]
}

@test "rotation to a threshold wants all the new signatures" {
  took 42
  SIGNERS='a b' rotate 43 2 'b c' ''
  refused 65 "THRESHOLD: the manifest's new keys have not signed it: signed by 1 of the 2 keys needed"
  SIGNERS='a b c' rotate 43 2 'b c' ''
  took 43
  SIGNERS='b' manifest 44
  refused 65 "THRESHOLD: signed by 0 of the 2 trusted keys needed: no '$(U).KEYID.minisig' of one is there"
  SIGNERS='b c' manifest 44
  took 44
}

@test "an administrator who changes keys.d has the last word" {
  took 42
  SIGNERS='a b' rotate 43 1 b a
  took 43
  cp "$ORIGIN_DIR/c.pub" keys.d/
  SIGNERS=b manifest 44
  refused 65 "BADSIG: '$(U).minisig' is by key $B, which is not trusted"
  SIGNERS=c manifest 44
  took 44
}

@test "a key that was revoked never comes back" {
  took 42
  SIGNERS='a b' rotate 43 1 b a
  took 43
  # Neither when something else is put beside its file
  cp "$ORIGIN_DIR/c.pub" keys.d/
  manifest 44
  refused 65 "BADSIG: '$(U).minisig' is by key $A, which is revoked"
  # nor when the next keys of upstream do not name it any more.
  SIGNERS='b c' rotate 44 1 b
  SIGNERS='c b' rotate 44 1 b
  took 44
  SIGNERS=b rotate 45 1 b
  took 45
  [ ! -s got.err ]
  rm keys.d/c.pub
  manifest 46
  refused 78 "'keys.d' holds 0 trusted keys that no manifest has revoked, fewer than the threshold of 1"
  cp "$ORIGIN_DIR/b.pub" keys.d/
  refused 65 "BADSIG: '$(U).minisig' is by key $A, which is revoked"
  SIGNERS='b a' rotate 46 1 a
  refused 65 "SCHEMA: manifest keys.keys: too few are left without those that were revoked before"
  SIGNERS=b manifest 46
  took 46
}

@test "a rotation that is refused for another reason changes no key" {
  took 42
  SIGNERS='a b' rotate 43 1 b a
  host 'policy max-new = 0'
  sed -i 's/"1000"/"1001"/' "$WWW/manifest.json"
  origin_sign "$WWW/manifest.json" a b
  refused 65 "TRIPWIRE: manifest version 43 blacklists 1 new builds, more than '[policy] max-new' = 0 (--accept-version 43 takes it)"
  host
  manifest 44
  took 44
}

# ---- this host ----

@test "nothing to sync from" {
  : >sync.conf
  echo "[upstream]
keys = keys.d" >sync.conf
  refused 78 "nothing to sync from: set '[upstream] url', or give --url or --from"
}

@test "LOCKED: one sync at a time, or wait for the other" {
  xb_status 0 product list
  exec 8>>registry.db.lock
  flock 8
  refused 75 "LOCKED: another sync is running ('./registry.db.lock' is locked): try again later, or with --wait"
  (sleep 1 && exec 8>&-) &
  local waiter=$!
  exec 8>&-
  took 42 --wait 20
  wait "$waiter"
}

@test "who waited for the other looks at the clock again" {
  xb_status 0 product list
  exec 8>>registry.db.lock
  flock 8
  (sleep 3 && flock -u 8) 8>&8 &
  local waiter=$!
  # A clock that goes on from there.
  XB_NOW='@2026-12-19 23:59:58' refused 65 "EXPIRED: the manifest expired at '2026-12-20T00:00:00Z': its publisher has to issue a new one, or this mirror is stale" --wait 60
  wait "$waiter"
}

@test "arguments" {
  xb_status 64 sync --url "$(U)" --from x
  xb_status 64 sync --signature x
  xb_status 64 sync --wait x
  xb_status 64 sync --wait -1
  xb_status 64 sync --accept-version 0
  xb_status 64 sync --accept-version 1x
  xb_status 64 sync --url ''
  xb_status 64 sync extra
  xb_status 64 verify
  xb_status 64 verify ''
}

@test "local rows stay, upstream wins the number, and says so" {
  xb_status 0 product allocate mine --vendor V --contact c@example.org
  xb_status 0 add mine 5 --reason local --id T-1
  local number
  number=$(xb_run product list --json | jq '.products[] | select(.name == "mine").number')
  PRODUCTS="{ \"number\": $number, \"name\": \"theirs\", \"status\": \"assigned\" }" manifest 42
  xb_status 0 sync --no-apply
  grep "local product $number, 'mine', is in conflict" got.err
  xb_status 0 list
  grep -c T-1 got.out
  xb_status 0 product show theirs
}

@test "the xenstore that a list is for has to be there" {
  refused 69 "cannot connect to xenstore at '$XENSTORED_PATH': No such file or directory" || {
    before=$(sha256sum registry.db)
    xb_status 69 sync
    grep "cannot connect to xenstore at '$XENSTORED_PATH'" got.err
    [ "$before" = "$(sha256sum registry.db)" ]
  }
}

@test "cron: silence, one line when it begins, one a day, one when it ends" {
  xb 0 sync --no-apply --quiet </dev/null
  echo x >>"$WWW/manifest.json"
  refused 65 "BADSIG: '$(U).minisig' by key $A does not match the data" --quiet
  xb 65 sync --no-apply --quiet </dev/null
  XB_NOW='2026-11-21 11:59:59' xb 65 sync --no-apply --quiet </dev/null
  XB_NOW='2026-11-21 12:00:00' refused 65 "BADSIG: '$(U).minisig' by key $A does not match the data" --quiet
  XB_NOW='2026-11-21 12:00:00' xb 65 sync --no-apply --quiet </dev/null
  manifest 41
  XB_NOW='2026-11-21 12:00:00' refused 65 'ROLLBACK: manifest version 41 is older than 42, which was taken already (--accept-version 41 goes back)' --quiet
  manifest 43
  XB_NOW='2026-11-21 12:00:00' xb 0 sync --no-apply --quiet <<'END'
--
xenblacklist: sync: works again
END
  xb 0 sync --no-apply --quiet </dev/null
}

@test "status tells that syncs fail, since when, and through which proxy" {
  took 42
  run_json 0 status
  [ "$(json '[.manifest.failure,.manifest.failing_since,.proxy]')" = '[null,null,null]' ]
  echo x >>"$WWW/manifest.json"
  xb_status 65 sync --no-apply
  XB_NOW="2026-11-20 13:00:00" xb_status 69 sync --no-apply --url https://localhost:1/
  https_proxy=http://user:s3cret@proxy:3128/ run_json 0 status
  [ "$(json '[.manifest.failure,.manifest.failing_since,.proxy]')" = '["unreachable","2026-11-20T12:00:00Z","http://proxy:3128/"]' ]
  https_proxy=http://user:s3cret@proxy:3128/ xb_status 0 status
  grep '^Sync  *fails since 2026-11-20T12:00:00Z: unreachable$' got.out
  grep '^Proxy  *http://proxy:3128/$' got.out
  manifest 43
  took 43
  run_json 0 status
  [ "$(json .manifest.failure)" = null ]
}

@test "splay: always the same second of the window, not on a terminal" {
  xb_status 0 sync --no-apply -v --splay 2
  local first
  first=$(grep '^xenblacklist: sync: waiting [01] s of 2$' got.err)
  xb_status 0 sync --no-apply -v --splay 2
  [ "$first" = "$(grep '^xenblacklist: sync: waiting ' got.err)" ]
}

@test "the child that fetches has no privileges and no files of ours" {
  [ "$(id -u)" = 0 ] || skip "only root can become another user"
  host 'timeout = 20'
  (xb_run sync --no-apply --url "$(F silent)" >got.out 2>got.err 8>registry.secret) &
  local shell=$! parent='' child='' i
  for ((i = 0; i < 100; i++)); do
    parent=$(pgrep -P "$shell" -x xenblacklist || true)
    [ -z "$parent" ] || child=$(pgrep -P "$parent" || true)
    [ -z "$child" ] || break
    sleep 0.05
  done
  # Give it a moment to drop what it does not need.
  for ((i = 0; i < 100; i++)); do
    grep -q '^Uid:.65534.65534.65534.65534$' "/proc/$child/status" && break
    sleep 0.05
  done
  cat "/proc/$child/status" >status
  ls -l "/proc/$child/fd" >fds
  kill "$parent"
  wait "$shell" || true
  grep '^Uid:.65534.65534.65534.65534$' status
  grep '^Gid:.65534.65534.65534.65534$' status
  grep '^NoNewPrivs:.1$' status
  grep '^CapEff:.0000000000000000$' status
  lacks registry fds
  # It does not outlive its parent.
  for ((i = 0; i < 100; i++)); do
    [ -e "/proc/$child" ] || break
    sleep 0.05
  done
  [ ! -e "/proc/$child" ]
}

@test "root without capabilities, and nobody at all, can sync too" {
  [ "$(id -u)" = 0 ] || skip "only root can become another user"
  local program=$XB
  # libfaketime shares memory with children: each user has to have its own.
  as() {
    cat >as.sh <<END
#!/bin/sh
lib=\$LD_PRELOAD
unset LD_PRELOAD FAKETIME_SHARED
exec setpriv $* env LD_PRELOAD="\$lib" "$program" "\$@"
END
    chmod +x as.sh
  }
  as --bounding-set=-all --no-new-privs
  XB=./as.sh took 42
  # An ordinary user with a registry of its own.
  mkdir home
  cp -r keys.d sync.conf "$ORIGIN_DIR/ca.pem" home
  chmod -R a+rX home
  chown 12345 home
  sed -i "s,^keys = .*,keys = $PWD/home/keys.d,; s,^ca-file = .*,ca-file = $PWD/home/ca.pem," home/sync.conf
  program=$(cli_for_others)
  as --reuid=12345 --regid=12345 --clear-groups
  XB=./as.sh XENBLACKLIST_REGISTRY=$PWD/home/r.db XENBLACKLIST_CONFIG=$PWD/home/sync.conf xb_status 0 sync --no-apply
  grep '^manifest 42 taken' got.out
}

# ---- Xen's header ----

header() {
  printf '#define PVDRIVERS_PRODUCT_LIST(EACH) \\\n' >"$WWW/pvdrivers.h"
  printf '%s \\\n' "$@" | sed '$s/ \\$//' >>"$WWW/pvdrivers.h"
  printf '[upstream]\nkeys = keys.d\nca-file = %s\n[header]\nurl = %s/pvdrivers.h\n' \
    "$ORIGIN_DIR/ca.pem" "$ORIGIN_URL" >sync.conf
}

@test "a header adds products on free numbers and does nothing else" {
  header 'EACH("linux", 3)' 'EACH("new-one", 7) /* Vendor */' 'EACH("other", 2)' 'EACH("gplpv-windows", 9)'
  xb 0 sync --no-apply <<'END'
--
xenblacklist: sync: product 7, 'new-one', is new
xenblacklist: sync: product 2 is 'other' in the header and 'gplpv-windows' here
xenblacklist: sync: 'gplpv-windows' has the number 9 in the header and 2 here
END
  xb_status 0 product show 7
  grep Vendor got.out
  xb 0 sync --no-apply <<'END'
--
xenblacklist: sync: product 2 is 'other' in the header and 'gplpv-windows' here
xenblacklist: sync: 'gplpv-windows' has the number 9 in the header and 2 here
END
  header 'EACH("_kept", 12)' 'EACH("next", 13)'
  xb 0 sync --no-apply <<'END'
--
xenblacklist: sync: product 12, '_kept', of the header was not added: product 12: '_kept' is no name: it holds a '/' or begins with '_' or '-'
xenblacklist: sync: product 13, 'next', is new
END
  # Numbers are never freed: nobody fills them who has not signed anything.
  # shellcheck disable=SC2046
  header $(seq 400 464 | sed 's/.*/EACH("p&",&)/')
  refused 65 "TRIPWIRE: '$ORIGIN_URL/pvdrivers.h' has 65 products that are new, more than 64 ('xenblacklist import' takes the file after a look at it)"
  echo '<html>' >"$WWW/pvdrivers.h"
  xb_status 65 sync --no-apply
  grep "SCHEMA: '$ORIGIN_URL/pvdrivers.h': pvdrivers.h: no '#define" got.err
}

# ---- what else the network may do ----

@test "a proxy of the environment is used, unless the host is excepted; no .netrc" {
  printf 'machine localhost login me password s3cret\n' >.netrc
  chmod 600 .netrc
  HOME=$PWD took 42
  lacks Basic "$ORIGIN_DIR/access.log"
  local proxy=http://user:s3cret@127.0.0.1:1/
  https_proxy=$proxy xb_status 69 sync --no-apply
  grep "cannot fetch '$(U).minisig': Failed to connect to 127.0.0.1 port 1 " got.err
  lacks s3cret got.err
  https_proxy=$proxy no_proxy=localhost xb_status 0 sync --no-apply
}

@test "certificates: for another name, expired, of nobody" {
  local port=${ORIGIN_URL##*:}
  host 'timeout = 5'
  XB_NOW='2121-01-01 00:00:00' xb_status 69 sync --no-apply
  grep "SSL certificate problem: certificate has expired" got.err
  XB_NOW='2019-01-01 00:00:00' xb_status 69 sync --no-apply
  grep "SSL certificate problem: certificate is not yet valid" got.err
  xb_status 69 sync --no-apply --url "https://127.0.0.1:$port/manifest.json"
  grep "cannot fetch 'https://127.0.0.1:$port/manifest.json.minisig': SSL: no alternative certificate subject name matches" got.err
}

# ---- this host fails ----

@test "killed at any moment: the registry is the old one or the new one" {
  local i now
  took 42
  cp registry.db old.db
  manifest 43 "$(entries 1 300)"
  took 43
  for i in 0.004 0.008 0.012 0.016 0.02 0.024 0.03 0.035 0.04 0.05; do
    cp old.db registry.db
    rm -f registry.db-journal
    xb_run sync --no-apply >/dev/null 2>&1 &
    sleep "$i"
    pkill -KILL -P $! || true
    wait $! || true
    xb_status 0 history --verify
    run_json 0 list
    now=$(json '.entries | length')
    [ "$now" = 1 ] || [ "$now" = 300 ]
    [ "$(sqlite3 registry.db 'PRAGMA integrity_check')" = ok ]
  done
  xb_status 0 sync --no-apply
  run_json 0 list
  [ "$(json '.entries | length')" = 300 ]
}

@test "ten at once: one after the other, or told to come back" {
  local i status pids=()
  xb_status 0 product list
  for i in 1 2 3 4 5 6 7 8 9 10; do
    (status=0; xb_run sync --no-apply --wait $((i % 2 * 60)) >/dev/null 2>"err.$i" || status=$?; echo $status >"status.$i") &
    pids+=($!)
  done
  wait "${pids[@]}"
  for i in 1 2 3 4 5 6 7 8 9 10; do
    status=$(cat "status.$i")
    [ "$status" = 0 ] || { [ "$status" = 75 ] && [ $((i % 2)) = 0 ] && grep LOCKED "err.$i"; }
  done
  run_json 0 history --since 2026-01-01
  [ "$(grep -c '"subject": "manifest"' out.json)" = 1 ]
}

@test "a registry that cannot be written, a disk that is full" {
  took 42
  manifest 43 "$(entries 1 500)"
  (
    ulimit -f 130 # blocks of 1024 bytes: a little more than the registry has now
    trap '' XFSZ
    xb_status 74 sync --no-apply
  )
  xb_status 0 history --verify
  run_json 0 list
  [ "$(json '.entries | length')" = 1 ]
  took 43
}

# ---- a signer who is not our friend ----

@test "an encoding that upstream changes does not change what local rows mean" {
  xb_status 0 add 65535 xen-win:9.1.0 --id mine --reason ours
  xb_status 0 exception add 65535 xen-win:9.2.0 --owner me --reason ours
  ENCODINGS='{ "name": "xen-win", "scan": "...", "expression": "7" }' manifest 42
  refused 65 "TRIPWIRE: the manifest changes which builds the local entry 'mine' means (--accept-version 42 takes it)"
  ENCODINGS='{ "name": "xen-win", "scan": "d/r", "expression": "d[255] + r[1]*256" }' manifest 42
  refused 65 "TRIPWIRE: with the manifest's encodings, the local entry 'mine': builds 'xen-win:9.1.0': column 10: expected '/' and 'r' (the version reads 'd/r') (write its builds as numbers first)"
  PRODUCTS='{ "number": 65535, "name": "experimental", "status": "experimental" }' manifest 42
  refused 65 "TRIPWIRE: with the manifest's encodings, the local entry 'mine': builds 'xen-win:9.1.0': column 1: the product has no encoding 'xen-win' (write its builds as numbers first)"
  xb_status 1 check 65535 590080
  xb_status 0 remove mine
  ENCODINGS='{ "name": "xen-win", "scan": "...", "expression": "7" }' manifest 42
  refused 65 "TRIPWIRE: the manifest changes which builds the local exception 'exception-1' means (--accept-version 42 takes it)"
  took 42 --accept-version 42
}

@test "upstream takes neither name nor node from a product that the program came with" {
  local p='"status": "assigned"'
  PRODUCTS="{ \"number\": 7, \"name\": \"experimental\", $p }" manifest 42
  refused 65 "SCHEMA: manifest products[0]: product 7: 'experimental' clashes with product 65535, 'experimental', node 'experimental'"
  PRODUCTS="{ \"number\": 7, \"name\": \"seven\", \"node\": \"linux\", $p }" manifest 42
  refused 65 "SCHEMA: manifest products[0]: product 7: 'seven' clashes with product 3, 'linux', node 'linux'"
  PRODUCTS="{ \"number\": 2, \"name\": \"gplpv-windows\", \"node\": \"moved\", $p }" manifest 42
  refused 65 "SCHEMA: manifest products[0]: product 2: device models look it up as 'gplpv-windows', its node cannot be 'moved'"
  PRODUCTS="{ \"number\": 7, \"name\": \"seven \", $p }" manifest 42
  refused 65 "SCHEMA: manifest products[0]: product 7: 'seven ' begins or ends with a space"
  # Another name, without a node: the node stays where device models look.
  PRODUCTS="{ \"number\": 2, \"name\": \"james\", $p }" manifest 42
  took 42
  run_json 0 product show 2
  [ "$(json '[.name, .node]')" = '["james","gplpv-windows"]' ]
}

@test "as many products as there are numbers do not take for ever" {
  # Not into the environment: it is too long for that.
  PRODUCTS=$(seq 1000 60999 | sed 's/.*/{ "number": &, "name": "p&", "status": "assigned" }/' | paste -sd,)
  manifest 42
  unset PRODUCTS
  timeout 400 bash -c "$(declare -f xb_run cli_faketime); XB='$XB' xb_run sync --no-apply" >got.out
  grep -q '^products: 60000 added' got.out
}

@test "a member that nobody knows is named in one line, however long its name is" {
  local name
  name=$(printf 'n%.0s' {1..5000})
  manifest 42 "$ENTRY" ", \"$name\": 1"
  took 42
  grep -qx "xenblacklist: sync: the manifest has a member that this program does not know: '${name:0:128}...' (1 time)" got.err
}
