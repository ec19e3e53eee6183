#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# daemons: both
# 'status --prometheus': a file that Prometheus takes, whatever stands in registry and xenstore.
# XB_PROMTOOL=/usr/bin/promtool has every file judged by promtool, too.

load cli
load origin
load sandbox

setup() {
  sandbox_start
  cli_setup
}

teardown() {
  sandbox_stop
}

# metrics: status --prometheus into m.prom, checked.
metrics() {
  xb 0 status --prometheus m.prom </dev/null
  awk -f "$SRCDIR/tests/metrics.awk" m.prom
  [ -z "${XB_PROMTOOL:-}" ] || "$XB_PROMTOOL" check metrics <m.prom
}

@test "the check itself: what is wrong with metrics is found" {
  head='# HELP xenblacklist_a A thing.\n# TYPE xenblacklist_a gauge\n'
  # shellcheck disable=SC2059
  printf "$head"'xenblacklist_a{x="\\\\ \\" \\n"} 1\n' | awk -f "$SRCDIR/tests/metrics.awk"
  while IFS= read -r text; do
    # shellcheck disable=SC2059
    printf "$text" >bad.prom
    if awk -f "$SRCDIR/tests/metrics.awk" bad.prom >found; then
      echo "not found: $text"
      return 1
    fi
    [ -s found ]
  done <<END

${head}
xenblacklist_a 1\n
# HELP xenblacklist_a A thing.\nxenblacklist_a 1\n
# TYPE xenblacklist_a gauge\nxenblacklist_a 1\n
${head}xenblacklist_b 1\n
${head}xenblacklist_a x\n
${head}xenblacklist_a{x=\"\"\"} 1\n
${head}xenblacklist_a{x=\"\\\\x\"} 1\n
${head}xenblacklist_a 1\nxenblacklist_a 1\n
${head}xenblacklist_a 1\n${head}xenblacklist_a{x=\"1\"} 1\n
# HELP xenblacklist_a_total A.\n# TYPE xenblacklist_a_total gauge\nxenblacklist_a_total 1\n
# HELP xenblacklist_a A.\n# TYPE xenblacklist_a counter\nxenblacklist_a 1\n
# HELP xenblacklist_aB A.\n# TYPE xenblacklist_aB gauge\nxenblacklist_aB 1\n
# HELP xenblacklist_a_ms A.\n# TYPE xenblacklist_a_ms gauge\nxenblacklist_a_ms 1\n
# HELP xenblacklist_a_timestamp A.\n# TYPE xenblacklist_a_timestamp gauge\nxenblacklist_a_timestamp 1\n
# HELP xenblacklist_a_size A.\n# TYPE xenblacklist_a_size gauge\nxenblacklist_a_size 1\n
END
}

@test "metrics of an empty registry, with xenstore and without" {
  metrics
  grep -qx 'xenblacklist_xenstore_up 1' m.prom
  cp m.prom up.prom
  sandbox_kill
  metrics
  grep -qx 'xenblacklist_xenstore_up 0' m.prom
  lacks '^xenblacklist_drift' m.prom
  # Nobody has to guess whether a number is 0 or not known.
  lacks '^xenblacklist_guests' m.prom
  grep -q '^xenblacklist_guests_unenforced 0$' up.prom
}

@test "metrics of entries, drift, guests and hostile names" {
  xb_status 0 product allocate $'a "q\\uote" {x="1"} 1' --vendor $'v"\\' --contact 'c # HELP' --node evil
  xb_status 0 add 4 5 --reason $'x"} 1 \\n'
  xb_status 0 add 4 6 --reason later --not-before 2027-01-01
  xb_status 0 add 4 7 --reason counted --mode audit
  xb_status 0 exception add 4 5 --reason $'"} 1' --owner $'o"\\'
  xenstore-write /local/domain/1/name $'a"b' /libxl/1/type hvm /libxl/1/dm-version qemu_xen
  xenstore-write /mh/driver-blacklist/other 'not "ours"'
  metrics
  grep -qx 'xenblacklist_entries_waiting 1' m.prom
  grep -qx 'xenblacklist_drift{class="foreign"} 1' m.prom
  grep -qx 'xenblacklist_guests{enforcer="none"} 1' m.prom
  grep -qx 'xenblacklist_guests_unenforced 1' m.prom
  grep -qx 'xenblacklist_exceptions 1' m.prom
}

@test "metrics after a sync, and after one that failed" {
  ORIGIN_DIR=$PWD origin_key a
  mkdir keys.d
  cp a.pub keys.d
  printf '[upstream]\nkeys = %s/keys.d\nurl = https://localhost:1/m.json\nretries = 0\n' "$PWD" >empty.conf
  cat >m.json <<'END'
{ "format": "xenblacklist-manifest", "spec": 1, "version": 7, "issued": "2026-11-20T00:00:00Z",
  "expires": "2026-12-20T00:00:00Z", "products": [], "encodings": [], "entries": [] }
END
  ORIGIN_DIR=$PWD origin_sign m.json a
  xb_status 0 sync --from m.json
  metrics
  grep -qx 'xenblacklist_manifest_version 7' m.prom
  grep -qx 'xenblacklist_manifest_expires_timestamp_seconds 1797724800' m.prom
  grep -qx 'xenblacklist_sync_failing 0' m.prom
  xb_run sync -q && return 1
  metrics
  grep -qx 'xenblacklist_sync_failing 1' m.prom
}
