#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Shows what xenblacklist is for, on parts of its own: a stock xenstored in a private directory, an
# HTTPS server on the loopback interface, and a key pair made for the occasion. Changes nothing
# outside of a temporary directory, and stops what it started. Run by `./bootstrap demo`.
set -eu
top=${SRCDIR:?} build=${BUILDDIR:?}
here=$top/tests/demo
dir=$(mktemp -d "${TMPDIR:-/tmp}/xb-demo.XXXXXX")
status=1
. "$top/tests/origin.bash"

finish() {
  origin_stop
  [ ! -d "$dir/xs" ] || "$top/tests/sandbox/sandbox" stop "$dir/xs" || true
  [ "$status" -eq 0 ] || echo "demo: failed; logs were in $dir" >&2
  rm -rf "$dir"
}
trap finish EXIT

say() { printf '%s\n' "$@"; }
title() { printf '\n==== %s\n\n' "$*"; }

# Shows a command, runs it, shows its output and any exit status but 0.
show() {
  local got=0
  printf '  $ %s\n' "$*"
  "$@" >"$dir/out" 2>&1 || got=$?
  sed 's/^/    /' "$dir/out"
  [ "$got" -eq 0 ] || printf '    (exit status %s)\n' "$got"
  echo
  [ "$got" -le 1 ] || exit 1
}

# The programs by their plain names, with their files in our directory.
mkdir "$dir/bin"
ln -s "$build/xenblacklist" "$dir/bin/xenblacklist"
export PATH=$dir/bin:$PATH:/usr/sbin
export XENBLACKLIST_REGISTRY=$dir/registry.db XENBLACKLIST_CONFIG=$dir/xenblacklist.conf
export XENSTORED_PATH=$dir/xs/run/socket
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY

origin_make "$dir/origin"

title "What this is about"
say "A guest of the Xen hypervisor starts on emulated disks and network cards and then moves to" \
  "faster paravirtual drivers. Before it moves, the driver tells the host who it is: a product" \
  "number and a build number. The host may answer that this driver is blacklisted; the guest then" \
  "stays on the emulated devices. The list is a directory in xenstore, the small database that" \
  "Xen's tools and device models share. xenblacklist fetches a signed list and writes it there."

title "1. An upstream publishes a signed list"
say "A maintainer writes a manifest. This one holds real entries, from Xen's security advisory 468" \
  "of May 2025: in Windows PV drivers up to then any user of the guest could become administrator." \
  "Xen Project Windows drivers announce themselves as product 65535, and version 9.1.0 as build" \
  "0x090100."
sed -e "s/@ISSUED@/$(date -u +%Y-%m-%dT00:00:00Z)/" \
  -e "s/@EXPIRES@/$(date -u -d '+30 days' +%Y-%m-%dT00:00:00Z)/" "$here/manifest.json.in" >"$ORIGIN_DIR/www/manifest.json"
sed -n '/"id"/,/"reason"/p' "$ORIGIN_DIR/www/manifest.json" | grep -E '"(id|product|builds)"'
say "" "It is signed with stock minisign and put on a web server (here: nginx on this machine)."
origin_key upstream
cp "$ORIGIN_DIR/upstream.pub" "$ORIGIN_DIR/keys.d"
(cd "$ORIGIN_DIR" && show minisign -S -s upstream.key -m www/manifest.json </dev/null)

origin_start

cat >"$dir/xenblacklist.conf" <<END
[upstream]
url = $ORIGIN_URL/manifest.json
keys = $ORIGIN_DIR/keys.d
ca-file = $ORIGIN_DIR/ca.pem
END

title "2. A host takes it"
say "The host trusts the maintainer's public key. It fetches the list over HTTPS, verifies signature," \
  "version and dates, takes it into its registry and writes one node for each blacklisted build" \
  "to xenstore (here: Debian's own xenstored, on a private socket)."
"$top/tests/sandbox/sandbox" start xenstored "$dir/xs"
show xenblacklist sync
say "This is what a device model finds; xenstore-ls is Xen's own tool."
show xenstore-ls -p /mh/driver-blacklist

title "3. Which drivers are blacklisted?"
say "Version 8.2.1 is: the exit status says so to scripts."
show xenblacklist check experimental xen-win:8.2.1
say "Version 9.0.9137 has the repair."
show xenblacklist check experimental xen-win:9.0.9137

title "4. What the guest sees"
say "The guest's driver talks to I/O ports 0x10 and 0x12. Here is the whole conversation, against the" \
  "xenstore above. The last read of port 0x10 is the verdict: 0xd249 is blacklisted, 0x49d2 is not."
show xenblacklist simulate experimental xen-win:8.2.1
show xenblacklist simulate experimental xen-win:9.0.9137
say "A stock QEMU never looks at the list: on a real host xenblacklistd answers these ports beside it." \
  "What a driver makes of the answer is its own affair: Linux drivers stay away, the Windows drivers of" \
  "this example log it and go on, which is why xenblacklistd can refuse the unplug as well."

title "5. Again"
say "Nothing has changed upstream, so nothing is to be done."
show xenblacklist sync
show xenblacklist plan

say "That was it. What was started is stopped; $dir is removed."
status=0
