#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Products, encodings, encode, decode: text, JSON and exit statuses.

load cli

setup() {
  cli_setup
}

@test "product list" {
  xb 0 product list <<'END'
NUMBER  NAME                     STATUS            ORIGIN   ENCODINGS               VENDOR
     1  xensource-windows        assigned          shipped  raw                     Citrix
     2  gplpv-windows            assigned          shipped  const:1                 James Harper
     3  linux                    assigned          shipped  const:1,pci-id-rev
     4  xenserver-windows-v7.0+  assigned          shipped  pci-id-rev              Citrix
     5  xenserver-windows-v7.2+  assigned          shipped  raw                     Citrix
   205  suse-vmdp                unregistered-use  shipped  vmdp-dec                SUSE
 65535  experimental             experimental      shipped  xen-win,raw,linux-kvc8

RESERVED  POLICY  ORIGIN   REASON
       0  closed  shipped  the number of a driver that never announced one (OSv)
 100-299  warn    shipped  SUSE VMDP announces its own version, major * 100 + minor, as its product number (205 is 2.5)
END
  run_json 0 product list
  [ "$(json '[.products[].number]')" = '[1,2,3,4,5,205,65535]' ]
  [ "$(json '.reservations[1].policy')" = '"warn"' ]
}

@test "product list by status, origin and deadline" {
  xb 0 product list --status experimental <<'END'
NUMBER  NAME          STATUS        ORIGIN   ENCODINGS               VENDOR
 65535  experimental  experimental  shipped  xen-win,raw,linux-kvc8
END
  xb 0 product list --origin local </dev/null
  run_json 0 product list --origin local
  [ "$(json .products)" = '[]' ]
  xb_status 0 product allocate soon --vendor a --contact b --provisional-until +10d
  xb_status 0 product allocate late --vendor a --contact b --provisional-until 2027-06-01
  xb 0 product list --expiring <<'END'
NUMBER  NAME  STATUS       ORIGIN  DEADLINE              CONTACT
     6  soon  provisional  local   2026-11-30T12:00:00Z  b
END
  run_json 0 product list --expiring=2028-01-01
  [ "$(json '[.products[].name]')" = '["soon","late"]' ]
  xb 64 product list --status open <<'END'
--
xenblacklist: product list: unknown status 'open'
END
  xb 64 product list --origin mars <<'END'
--
xenblacklist: product list: unknown origin 'mars', expected shipped, upstream or local
END
}

@test "product show by number, hexadecimal number and name" {
  cat >want <<'END'
Number     65535 (0xffff)
Name       experimental
Node       experimental
Status     experimental
Origin     shipped
Reference  xen/include/public/pvdrivers.h

ENCODING        FROM          TO  USER
xen-win            0    16777215  Xen Project Windows PV drivers 7.2 and later, XCP-ng, Qubes
raw         16777216    33554431
linux-kvc8  33554432  4294967295  Linux drivers outside of the kernel tree: unmodified_drivers, xen-kmp, UVP
END
  xb 0 product show 65535 <want
  xb 0 product show 0xffff <want
  xb 0 product show experimental <want
  run_json 0 product show experimental
  [ "$(json '[.encodings[] | [.name, .from, .to]]')" = \
    '[["xen-win",0,16777215],["raw",16777216,33554431],["linux-kvc8",33554432,4294967295]]' ]
}

@test "a product that is not there is 66, with a near name" {
  xb 66 product show nobody <<'END'
--
xenblacklist: product show: no product 'nobody'
END
  xb 66 product show gplpv <<'END'
--
xenblacklist: product show: no product 'gplpv', did you mean 'gplpv-windows'?
END
  xb 66 decode 77 1 <<'END'
--
xenblacklist: decode: no product '77'
END
  xb 66 product show $'\e[31m\xff' <<'END'
--
xenblacklist: product show: no product '\x1b[31m\xff'
END
}

@test "product allocate: the lowest free number, alone on stdout" {
  xb 0 product allocate first --vendor Me --contact me@example.org <<<6
  xb 0 product allocate second --vendor Me --contact me@example.org <<<7
  run_json 0 product allocate third --vendor Me --contact me@example.org \
    --encoding raw@0..99=Us --encoding vmdp-dec@100..200 --reference https://example.org/ \
    --provisional-until 2027-01-01
  [ "$(json '.product | [.number, .status, .deadline, .encodings[0].user]')" = \
    '[8,"provisional","2027-01-01T00:00:00Z","Us"]' ]
  xb 65 product allocate First --vendor Me --contact me@example.org <<'END'
--
xenblacklist: product allocate: 'First' looks like 'first', product 6
END
  xb 64 product allocate fourth --vendor Me <<'END'
--
xenblacklist: product allocate: '--vendor' and '--contact' are both needed
END
}

@test "product allocate: what xenstore cannot hold, and what is taken care of" {
  xb 0 product allocate 'a b ü+' --vendor a --contact b --number 150 <<'END'
150
--
xenblacklist: product allocate: take care with 100 to 299: SUSE VMDP announces its own version, major * 100 + minor, as its product number (205 is 2.5)
xenblacklist: product allocate: xenstore cannot hold the name 'a b ü+': device models that look a product up by its name will not find this one
END
  xb 65 product allocate x --vendor a --contact b --number 3 <<'END'
--
xenblacklist: product allocate: number 3 is taken: 'linux', assigned (shipped)
END
  xb 65 product allocate x --vendor a --contact b --number 0 <<'END'
--
xenblacklist: product allocate: 0 cannot be allocated, only 1 to 65534
END
  xb 64 product allocate x --vendor a --contact b --encoding raw@9..3 <<'END'
--
xenblacklist: product allocate: bad range in encoding 'raw@9..3', expected NAME@FROM..TO
END
  xb 0 history --verify <<<'the history is intact'
}

@test "product update, transfer, revoke, retire, release: each its own act" {
  xb 0 product allocate it --vendor a --contact b <<<6
  xb 0 product update it --vendor c --encoding raw <<<6
  xb 0 product transfer it --vendor d --contact e --reason sold <<<6
  xb 64 product revoke it <<'END'
--
xenblacklist: product revoke: '--reason' is needed
END
  xb 0 product revoke it --reason abuse <<<6
  xb 0 product retire it --reason gone <<<6
  xb 65 product allocate it --vendor a --contact b <<'END'
--
xenblacklist: product allocate: 'it' is burned: product 6 of that name was retired
END
  xb 0 product allocate that --vendor a --contact b --provisional-until +1d <<<7
  xb 0 product release that --reason 'not needed' <<<7
  run_json 0 history it
  [ "$(json '[.history[] | [.act, .reason]]')" = \
    '[["allocate",null],["update",null],["transfer","sold"],["revoke","abuse"],["retire","gone"]]' ]
  run_json 0 product show 7
  [ "$(json .status)" = '"reserved"' ]
  xb 64 product update it <<'END'
--
xenblacklist: product update: nothing to change is named
END
  for act in update transfer release revoke retire; do
    xb_status 0 product allocate "for-$act" --vendor a --contact b --provisional-until +1d
    case $act in
    update) set -- --vendor x ;;
    transfer) set -- --vendor x --contact y --reason z ;;
    *) set -- --reason z ;;
    esac
    run_json 0 product "$act" "for-$act" "$@"
    [ "$(json .product.name)" = "\"for-$act\"" ]
  done
}

@test "product reserve" {
  xb 0 product reserve 20-30 --reason spare <<<20-30
  xb 65 product reserve 25 --reason spare <<'END'
--
xenblacklist: product reserve: 20 to 30 are reserved already: spare
END
  xb 65 product allocate x --vendor a --contact b --number 25 <<'END'
--
xenblacklist: product allocate: number 25 is reserved (20 to 30): spare
END
  xb 64 product reserve 9-3 --reason x <<'END'
--
xenblacklist: product reserve: bad range '9-3', expected FIRST or FIRST-LAST
END
  run_json 0 product reserve 40 --reason one
  [ "$(json '[.first, .last]')" = '[40,40]' ]
}

@test "encoding list and show" {
  xb 0 encoding list <<'END'
NAME        SCAN       EXPRESSION                            ORIGIN
const:1     ...        1                                     shipped
linux-kvc8  a.b.c?...  a[127]<<24 + b[255]<<16 + c[255^]<<8  shipped
pci-id-rev  d:x/r:x    d[0xffff]<<8 | r[255]                 shipped
raw         n          n[0xffffffff]                         shipped
vmdp-dec    a.b.c?...  a[99]*10000 + b[99]*100 + c[99]       shipped
xen-win     a.b.c?...  a[255]<<16 | b[255]<<8 | c[65535~]    shipped
END
  run_json 0 encoding list
  xb 0 encoding show xen-win <<'END'
Name            xen-win
Scan            a.b.c?...
Expression      a[255]<<16 | b[255]<<8 | c[65535~]
Constant        no
Ordered         no
Injective       no: versions can share a build
Stride          1
Smallest build  0, version 0.0.0
Largest build   16777215, version 255.255.255 (ambiguous)
END
  run_json 0 encoding show linux-kvc8
  [ "$(json '[.ordered, .injective, .stride]')" = '[true,false,256]' ]
  run_json 0 encoding show const:7
  [ "$(json '[.constant, .least]')" = '[true,7]' ]
  xb 66 encoding show nope <<'END'
--
xenblacklist: encoding show: no encoding 'nope'
END
}

@test "encoding define" {
  cat >want <<'END'
Name            two
Scan            a.b
Expression      a[255]<<8 + b[255]
Constant        no
Ordered         yes
Injective       yes
Stride          1
Smallest build  0, version 0.0
Largest build   65535, version 255.255
END
  xb 0 encoding define two --scan a.b --expression 'a[255]<<8 + b[255]' --dry-run <want
  xb_status 66 encoding show two
  xb 0 encoding define two --scan a.b --expression 'a[255]<<8 + b[255]' <want
  run_json 0 encoding define two --scan a.b --expression 'a[255]<<8 + b[255]'
  xb 65 encoding define two --scan a.b --expression 'a[255]<<8 | b[255]' <<'END'
--
xenblacklist: encoding define: encoding 'two' (local) is there with another text
END
  xb 65 encoding define bad --scan a.b --expression 'a[255]<<8 | c[255]' <<'END'
--
xenblacklist: encoding define: encoding 'bad': expression column 13: field 'c' is not in the scan 'a.b'
END
  xb 64 encoding define bad --scan a.b <<'END'
--
xenblacklist: encoding define: '--scan' and '--expression' are both needed
END
}

@test "encode prints the number alone" {
  xb 0 encode 205 2.5.3 <<<20503
  xb 0 encode experimental xen-win:9.1.0 <<<590080
  xb 0 encode 65535 linux-kvc8:5.10.0 <<<84541440
  xb 0 encode gplpv-windows 0.11 <<'END'
1
--
xenblacklist: encode: every version has the build 1 in const:1
END
  xb 0 encode 2 0.11 -q <<<1
  run_json 0 encode 205 2.5.3
  [ "$(json '[.product, .build, .version]')" = '[205,20503,"2.5.3"]' ]
  xb 65 encode 65535 9.1.0 <<'END'
--
xenblacklist: encode: builds '9.1.0': column 1: the product has several encodings, put one and ':' before the version: xen-win (Xen Project Windows PV drivers 7.2 and later, XCP-ng, Qubes), raw, linux-kvc8 (Linux drivers outside of the kernel tree: unmodified_drivers, xen-kmp, UVP)
END
}

@test "decode tells what is ambiguous or impossible, and whose it is" {
  xb 0 decode 205 20503 <<'END'
2.5.3
--
xenblacklist: decode: used by SUSE VMDP 2.5
END
  xb 0 decode 65535 590080 <<'END'
9.1.0
--
xenblacklist: decode: ambiguous: 9.1.256 has the same build
xenblacklist: decode: used by Xen Project Windows PV drivers 7.2 and later, XCP-ng, Qubes
END
  xb 0 decode 65535 0x02060901 <<'END'
no version: builds are multiples of 256
--
xenblacklist: decode: used by Linux drivers outside of the kernel tree: unmodified_drivers, xen-kmp, UVP
END
  xb 0 decode 3 1 -q <<<"every version of 'const:1'"
  xb 0 decode 3 514 -q <<<0002/02
  run_json 0 decode 3 2
  [ "$(json '[.version, .impossible]')" = '[null,true]' ]
  xb_status 0 product allocate bare --vendor a --contact b
  xb 0 decode bare 5 <<<"no version: 'bare' has no encoding for this build"
  run_json 0 decode bare 5
  xb 64 decode 3 4294967296 <<'END'
--
xenblacklist: decode: bad build '4294967296', expected 0 to 4294967295
END
}

@test "the reason of the first command is not that of the rows that are shipped" {
  xb_status 0 product allocate first --vendor a --contact b --reason mine
  run_json 0 history
  [ "$(json '[.history[] | select(.reason == "mine") | .subject]')" = '["product 6"]' ]
  [ "$(json '[.history[] | select(.act == "create")] | length > 10')" = true ]
}

@test "history since a date, of a product, and what does not exist" {
  XB_NOW='2026-01-01 00:00:00' xb_status 0 product list
  xb_status 0 product allocate first --vendor a --contact b --reason mine
  run_json 0 history --since 2026-11-20
  [ "$(json '[.history[] | [.act, .subject, .time]]')" = \
    '[["allocate","product 6","2026-11-20T12:00:00Z"]]' ]
  for since in -7d -1s -0s; do
    run_json 0 history --since "$since"
    [ "$(json '[.history[].subject]')" = '["product 6"]' ]
  done
  run_json 0 history --since=-60w
  [ "$(json '.history | length')" -gt 10 ]
  run_json 0 history --since +1s
  [ "$(json .history)" = '[]' ]
  # Only the past is told like that.
  xb 64 product list --expiring=-7d <<'END'
--
xenblacklist: product list: bad date for '--expiring': '-7d' (2026-12-31, 2026-12-31T12:00:00Z or +30d)
END
  xb 64 history --since -7y <<'END'
--
xenblacklist: history: bad date for '--since': '-7y' (2026-12-31, 2026-12-31T12:00:00Z or -7d)
END
  run_json 0 history first
  [ "$(json '.history | length')" = 1 ]
  xb_status 0 add first 7 --reason '"product":3,'
  xb_status 0 add 3 const:1:1 --reason other --whole-family
  xb_status 0 exception add first 7 --reason x --owner y
  run_json 0 history first
  [ "$(json '[.history[].subject]')" = '["product 6","entry local-1","exception exception-1"]' ]
  run_json 0 history 3
  [ "$(json '[.history[].subject]')" = '["product 3","entry local-2"]' ]
  xb_status 66 history nobody
  xb 64 history first --verify <<'END'
--
xenblacklist: history: '--verify' checks the whole history
END
}

@test "history --verify finds what sqlite3 did to it" {
  xb_status 0 product allocate first --vendor a --contact b
  xb 0 history --verify <<<'the history is intact'
  cp registry.db kept.db
  for sql in "UPDATE history SET reason = 'forged' WHERE seq = 3" "DELETE FROM history WHERE seq = 3"; do
    cp kept.db registry.db
    triggers=$(sqlite3 registry.db "SELECT 'DROP TRIGGER ' || name || ';' FROM sqlite_master
      WHERE type = 'trigger'")
    sqlite3 registry.db "$triggers" "$sql"
    run_json 1 history --verify
    [ "$(json .intact)" = false ]
    [ "$(json '.findings[0].seq <= 4')" = true ]
  done
}

@test "what went in is what encode and decode agree on" {
  for version in 0.0.0 7.2.0 8.2.2 9.1.5 255.255.255; do
    build=$(xb_run encode 65535 "xen-win:$version" -q)
    [ "$(xb_run decode 65535 "$build" -q)" = "$version" ]
  done
}

@test "the nodes that stock device models have built in stay where they are" {
  xb 65 product update 65535 --node elsewhere <<'END'
--
xenblacklist: product update: device models look it up as 'experimental', its node cannot be 'elsewhere'
END
  xb_status 0 product update 3 --node elsewhere
  xb_status 0 product update 3 --node linux
}

@test "the examples of xenblacklist-encoding(7) print what stands there" {
  local line
  xenblacklist() { xb_run "$@"; }
  sed -n '/^\.Sh EXAMPLES/,$p' "$SRCDIR/data/man/xenblacklist-encoding.7" | sed '/^\./d; /:$/d' >want
  while IFS= read -r line; do
    [[ $line == '$ '* ]] || continue
    echo "$line"
    eval "${line#??}" 2>&1
  done <want >got
  diff -u want got
  [ "$(grep -c '^\$ ' got)" = 3 ]
}
