#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# publish: the directory, its versions, and its page in a real browser.

load cli

setup() {
  cli_setup
}

# The page after its script has run.
page_dom() {
  chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
    --disable-background-networking --disable-component-update --disable-sync \
    --user-data-dir="$BATS_TEST_TMPDIR/chromium" --virtual-time-budget=2000 \
    --dump-dom "file://$BATS_TEST_TMPDIR/www/index.html" 2>/dev/null >dom.html
}

@test "the directory is whole, and what minisign signs with the printed line verifies" {
  xb 0 publish www --expires 2099-01-01 <<'END'
version   1
issued    2026-11-20T12:00:00Z
expires   2099-01-01T00:00:00Z
products  7
encodings 6
entries   0
sign with minisign -S -s KEY -m 'www/manifest.json'
END
  [ "$(cd www && echo *)" = "index.html manifest.json pvdrivers.h registry.csv" ]
  [ "$(stat -c %a www www/manifest.json | tr '\n' ' ')" = "755 644 " ]
  mkdir keys
  minisign -G -W -p keys/k.pub -s k.key >/dev/null
  minisign -S -s k.key -m 'www/manifest.json' >/dev/null
  printf '[upstream]\nkeys = %s\n' "$PWD/keys" >sync.conf
  xb_status 0 verify www/manifest.json --config sync.conf
}

@test "same content, same bytes; the version rises only with content or dates" {
  xb_status 0 publish www --expires 2099-01-01
  cp -r www first
  run_json 0 publish www --expires 2099-01-01
  [ "$(json '[.version, .raised]')" = '[1,false]' ]
  diff -r www first
  run_json 0 publish www --expires 2099-01-02
  [ "$(json '[.version, .raised]')" = '[2,true]' ]
  xb_status 0 add experimental xen-win:9.1.0 --reason "broken disks"
  run_json 0 publish www --expires 2099-01-02
  [ "$(json '[.version, .entries]')" = '[3,1]' ]
  [ "$(jq -c '[.version, .issued, .expires, .entries[0].builds]' www/manifest.json)" = \
    '[3,"2026-11-20T12:00:00Z","2099-01-02T00:00:00Z","xen-win:9.1.0"]' ]
  xb_status 0 publish other --expires 2099-01-02
  diff -r www other
}

@test "signatures stay while the manifest is the same, and go with it" {
  xb_status 0 publish www --expires 2099-01-01
  echo signed >www/manifest.json.minisig
  xb_status 0 publish www --expires 2099-01-01
  [ "$(cat www/manifest.json.minisig)" = signed ]
  xb_status 0 publish www/ --expires 2099-01-02
  [ ! -e www/manifest.json.minisig ]
  [ "$(jq .version www/manifest.json)" = 2 ]
}

@test "exceptions and rows in conflict are not published" {
  xb_status 0 add linux 1 --whole-family --id keep --reason test
  xb_status 0 exception add linux 1 --reason "this host" --owner me
  xb_status 0 publish www --expires 2099-01-01
  [ "$(jq -c '[.entries[].id]' www/manifest.json)" = '["keep"]' ]
  lacks 'this host' www/manifest.json
}

@test "a directory in use, a file, no parent, a past date, no date: nothing is written" {
  mkdir mine && echo x >mine/thesis.tex
  xb_status 0 product list
  before=$(sha256sum registry.db)
  xb 65 publish mine --expires +1d <<'END'
--
xenblacklist: publish: 'mine' holds 'thesis.tex', which no publication made; name another directory
END
  [ "$(ls mine)" = thesis.tex ]
  xb 73 publish mine/thesis.tex --expires +1d <<'END'
--
xenblacklist: publish: cannot use 'mine/thesis.tex' as a directory: Not a directory
END
  xb 65 publish www --expires 2001-01-01 <<'END'
--
xenblacklist: publish: the expiry date has passed already
END
  xb_status 64 publish www
  xb_status 64 publish '' --expires +1d
  xb_status 64 publish www --expires soon
  [ "$before" = "$(sha256sum registry.db)" ]
  xb_status 73 publish none/www --expires +1d
  [ -z "$(find . -name 'www*')" ]
}

@test "the page in a browser: its script runs, hostile text stays text" {
  xb_status 0 product allocate acme-drivers --vendor '<script>document.title="owned"</script>' \
    --contact '"><img src=x onerror=document.title="owned">' --reference 'javascript:alert(1)'
  xb_status 0 add experimental xen-win:9.1.0 --id probe --reference 'https://example.org/?a=1&b="2"' \
    --reason '</td></table><script>document.title="owned"</script>'
  xb_status 0 publish www --expires 2099-01-01
  page_dom
  grep -q '<title>Xen PV driver product numbers</title>' dom.html
  grep -q '<th><button type="button">Number</button></th>' dom.html
  grep -q '&lt;script&gt;document.title="owned"&lt;/script&gt;' dom.html
  grep -q '<a rel="noopener noreferrer nofollow" href="https://example.org/?a=1&amp;b=&quot;2&quot;">' dom.html
  lacks '<img' dom.html
  lacks 'href="javascript:' dom.html
  [ "$(grep -o '<script>' dom.html | wc -l)" -eq 1 ]
  [ "$(grep -c '<tr id="product-' dom.html)" -eq 8 ]
  [ "$(grep -c '<tr id="entry-' dom.html)" -eq 1 ]
}

@test "without its script the page is the same page, and it asks nobody for anything" {
  xb_status 0 publish www --expires 2099-01-01
  [ "$(grep -c '<tr id="product-' www/index.html)" -eq 7 ]
  grep -q "default-src 'none'" www/index.html
  grep -oE '(src|href|action)="[^"#]+"' www/index.html | sort -u >requests
  printf 'href="%s"\n' manifest.json manifest.json.minisig pvdrivers.h registry.csv >allowed
  grep -vxFf allowed requests | grep -v '^href="https://' >others || true
  [ ! -s others ]
  lacks '@import\|url(\|<link\|<iframe\|fetch(\|XMLHttp' www/index.html
}
