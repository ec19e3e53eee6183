#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# A maintainer's registry publishes, a host follows it over HTTPS with the public key: both mean
# the same, and what the host had of its own survives.

load cli
load origin

setup() {
  cli_setup
  origin_make "$BATS_TEST_TMPDIR/origin"
  origin_key maintainer
  cp "$ORIGIN_DIR/maintainer.pub" "$ORIGIN_DIR/keys.d/"
  origin_start
  mkdir upstream host
  printf '[upstream]\nurl = %s/manifest.json\nkeys = %s\nca-file = %s\n' \
    "$ORIGIN_URL" "$ORIGIN_DIR/keys.d" "$ORIGIN_DIR/ca.pem" >host/xenblacklist.conf
  unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY
}

teardown() {
  origin_stop
}

upstream() {
  local status=$1
  shift
  XENBLACKLIST_REGISTRY=upstream/registry.db xb_status "$status" "$@"
}

host() {
  local status=$1
  shift
  XENBLACKLIST_REGISTRY=host/registry.db XENBLACKLIST_CONFIG=host/xenblacklist.conf \
    xb_status "$status" "$@"
}

# What a maintainer does: a directory, a signature, a copy to the server.
release() {
  upstream 0 publish www --expires +30d
  minisign -S -W -s "$ORIGIN_DIR/maintainer.key" -m www/manifest.json </dev/null >/dev/null
  rm -rf "$ORIGIN_DIR/www"
  cp -r www "$ORIGIN_DIR/www"
}

exports_equal() {
  upstream 0 export --format manifest --origin upstream
  mv got.out upstream.json
  host 0 export --format manifest --origin upstream
  jq -S '{encodings, products, entries}' upstream.json >a.json
  jq -S '{encodings, products, entries}' got.out >b.json
  diff a.json b.json
}

@test "the host ends up with the maintainer's rows, update after update" {
  upstream 0 product allocate acme-drivers --vendor Acme --contact pv@acme.example --encoding xen-win
  upstream 0 add acme-drivers xen-win:1.0.0..1.0.9 --id ACME-1 --reason "loses writes"
  release
  host 0 sync --no-apply
  host 1 check acme-drivers xen-win:1.0.5
  host 0 product show acme-drivers
  grep -q 'upstream' got.out
  jq -S '{encodings, products, entries}' www/manifest.json >a.json
  host 0 export --format manifest
  jq -S '{encodings, products, entries}' got.out >b.json
  diff a.json b.json
  upstream 0 remove ACME-1
  upstream 0 add acme-drivers xen-win:1.0.0..1.0.3 --id ACME-2 --reason "loses writes, fixed in 1.0.4"
  release
  host 0 sync --no-apply
  host 0 check acme-drivers xen-win:1.0.5
  host 1 check acme-drivers xen-win:1.0.3
  host 0 history --verify
}

@test "local rows survive; one whose number or name upstream gives away is a named conflict" {
  host 0 product allocate house-drivers --vendor House --contact it@house.example
  host 0 product allocate second-drivers --vendor House --contact it@house.example
  host 0 add linux 7 --id mine --reason "seen here"
  host 0 add house-drivers 5 --id mine-too --reason "seen here"
  upstream 0 product allocate acme-drivers --vendor Acme --contact pv@acme.example
  upstream 0 add acme-drivers 1 --id ACME-1 --reason "loses writes"
  release
  host 0 sync --no-apply
  # Number 6 was house-drivers' here and is acme-drivers' now.
  host 0 product show 6
  grep -q 'acme-drivers' got.out
  host 0 product show house-drivers
  grep -qi 'conflict' got.out
  host 0 product show second-drivers
  host 1 check linux 7
  host 1 check 6 1
  host 0 check 6 5
  # There is no xenstore here: the registry is audited all the same, and the status tells.
  host 69 audit
  grep -qi 'conflict' got.out
  grep -q 'house-drivers' got.out
  # The next sync is not held up by it.
  upstream 0 add acme-drivers 2 --id ACME-2 --reason "loses reads"
  release
  host 0 sync --no-apply
  host 1 check 6 2
  host 0 history --verify
}
