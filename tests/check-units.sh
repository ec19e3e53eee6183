#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# systemd units: they parse, and their sandbox scores at most what it scored when it was written
# (systemd-analyze security: 0 is tight, 10 is none).
. "$(dirname "$0")/tap.sh"

units=${BUILDDIR:-.}/data/systemd
if ! command -v systemd-analyze >/dev/null || ! ls "$units"/*.service >/dev/null 2>&1; then
  echo "1..0 # SKIP no systemd-analyze, or units not built"
  exit 0
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# In tenths. A unit that is not here is a failure: judge it first.
threshold() {
  case $1 in
  xenblacklist-sync) echo 22 ;;
  xenblacklist-apply) echo 15 ;;
  xenblacklistd) echo 60 ;;
  *) return 1 ;;
  esac
}
for unit in "$units"/*.service; do
  name=$(basename "$unit" .service)
  must "$name.service is tight enough" \
    systemd-analyze security --offline=true --no-pager --threshold="$(threshold "$name")" "$unit"
done
# Every Xen device that the daemon's libraries open: an unlisted one fails with another errno than an
# absent one, and they give up.
devices_denied() {
  local daemon=${BUILDDIR:-.}/xenblacklistd
  [ -x "$daemon" ] || echo "no $daemon to look at"
  ldd "$daemon" | awk '/libxen/ { print $3 }' | xargs -r grep -aohE '/dev/xen/[a-z]+' | sort -u |
    while read -r device; do
      grep -qxF "DeviceAllow=$device rw" "$units/xenblacklistd.service" || echo "$device"
    done
}
nothing "xenblacklistd.service allows each device that libxen opens" devices_denied
# The programs are not installed here; everything else that verify says is a finding.
unverified() {
  cp "$units"/*.service "$units"/*.timer "$tmp"
  sed -i 's,^Exec\(Start\|Reload\)=[^ ]*,Exec\1=/bin/true,' "$tmp"/*.service
  SYSTEMD_UNIT_PATH=$tmp: systemd-analyze verify --man=no --recursive-errors=no "$tmp"/*.service "$tmp"/*.timer 2>&1 |
    grep -F xenblacklist
}
nothing "systemd-analyze verify has nothing to say" unverified
plan
