#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Measures xenblacklist against the stock tools in one run, and prints ratios: how many times as
# long it takes. Times are the best of several runs, of whole processes. Run by `make bench`.
set -eu
top=${SRCDIR:?} build=${BUILDDIR:?}
xb=$build/xenblacklist
bench=$top/tests/bench
dir=$(mktemp -d /tmp/xb.XXXXXX)
. "$top/tests/origin.bash"

finish() {
  origin_stop
  stop_daemon
  rm -rf "$dir"
}
trap finish EXIT

start_daemon() {
  stop_daemon
  "$top/tests/sandbox/sandbox" start "$1" "$dir/xs"
}
stop_daemon() { [ ! -d "$dir/xs" ] || "$top/tests/sandbox/sandbox" stop "$dir/xs"; }

export XENSTORED_PATH=$dir/xs/run/socket XENBLACKLIST_CONFIG=$dir/xenblacklist.conf
unset https_proxy HTTPS_PROXY all_proxy ALL_PROXY

# best RUNS PREPARE COMMAND...: seconds of the fastest run; PREPARE runs before each, unmeasured.
best() {
  local runs=$1 prepare=$2 i from to
  shift 2
  for ((i = 0; i < runs; i++)); do
    $prepare >/dev/null
    from=$EPOCHREALTIME
    "$@" >/dev/null 2>"$dir/stderr" || [ $? -eq 1 ] || {
      cat "$dir/stderr" >&2
      exit 1
    }
    to=$EPOCHREALTIME
    echo "$to $from"
  done | awk '{ t = $1 - $2; if (!n++ || t < min) min = t } END { printf "%.4f", min }'
}

row() { # WHAT OURS-SECONDS THEIRS THEIR-SECONDS
  awk -v what="$1" -v a="$2" -v theirs="$3" -v b="$4" \
    'BEGIN { printf "%-38s %9.4f s   %-42s %9.4f s   %7.2f\n", what, a, theirs, b, a / b }'
}

times() { # COUNT COMMAND...
  local n=$1 i
  shift
  for ((i = 0; i < n; i++)); do
    "$@" || [ $? -eq 1 ]
  done
}

one_each() { # N: a process a node
  local i
  for ((i = 0; i < $1; i++)); do
    xenstore-write "/mh/driver-blacklist/experimental/$((590080 + i))" xb1:bench
  done
}

one_for_all() { # N: as many nodes in a process as its arguments can hold
  local i args=()
  for ((i = 0; i < $1; i++)); do
    args+=("/mh/driver-blacklist/experimental/$((590080 + i))" xb1:bench)
  done
  xenstore-write "${args[@]}"
}

cat >"$dir/xenblacklist.conf" <<END
[upstream]
keys = $dir/origin/keys.d
ca-file = $dir/origin/ca.pem
max-size = 64 MiB
[publish]
expand-limit = 20000
total-limit = 200000
[policy]
max-new = 10000000
END

printf '%-38s %11s   %-42s %11s   %7s\n' xenblacklist '' 'against' '' ratio
for kind in xenstored oxenstored; do
  fresh() { start_daemon "$kind"; }
  for n in 1000 10000; do
    export XENBLACKLIST_REGISTRY=$dir/registry.$n
    [ -e "$dir/registry.$n" ] ||
      "$xb" --quiet add experimental "590080..$((590080 + n - 1))" --reason bench --id bench >/dev/null
    apply=$(best 5 fresh "$xb" --quiet apply)
    row "$kind: apply of $n nodes" "$apply" "raw wire protocol, pipelined" \
      "$(best 5 fresh "$build/tests/bench/raw-wire" write /mh/driver-blacklist/experimental "$n")"
    row "" "$apply" "xenstore-write, one process for all" "$(best 2 fresh one_for_all "$n")"
    [ "$n" -eq 1000 ] && row "" "$apply" "xenstore-write, one process a node" "$(best 1 fresh one_each "$n")"
    fresh
    "$xb" --quiet apply >/dev/null
    # An audit asks every node for children too: what somebody put below a leaf is a finding.
    audit=$(best 5 true "$xb" --quiet audit)
    row "$kind: audit of $n nodes" "$audit" "the same reads, bare" \
      "$(best 5 true "$build/tests/bench/raw-wire" list /mh/driver-blacklist/experimental "$n")"
    row "" "$audit" "bare reads of value and permissions" \
      "$(best 5 true "$build/tests/bench/raw-wire" read /mh/driver-blacklist/experimental "$n")"
  done
  fresh
  export XENBLACKLIST_REGISTRY=$dir/registry.1000
  "$xb" --quiet apply >/dev/null
  exists=$(best 3 true times 100 xenstore-exists /mh/driver-blacklist/experimental/590080)
  row "$kind: 100 cold checks, --live" \
    "$(best 3 true times 100 "$xb" check --live experimental 590080)" "xenstore-exists" "$exists"
  row "$kind: 100 cold checks, registry" \
    "$(best 3 true times 100 "$xb" check experimental 590080)" "xenstore-exists" "$exists"
  # libxenstore cannot list such a directory on an oxenstored: no peer there.
  if xenstore-ls -p /mh/driver-blacklist >/dev/null 2>&1; then
    row "$kind: plan of 1000 nodes, no change" "$(best 5 true "$xb" plan)" "xenstore-ls -p" \
      "$(best 5 true xenstore-ls -p /mh/driver-blacklist)"
  fi
done

# ---- a verdict of xenblacklistd: no process, no xenstore, so it has a line of its own ----------
printf '%-38s %9s us\n' "a verdict among 10,000 builds" "$("$build/tests/bench/verdict" 10000)"

# ---- sync ------------------------------------------------------------------------------------
origin_make "$dir/origin"
origin_key bench
cp "$dir/origin/bench.pub" "$dir/origin/keys.d"
"$bench/big-manifest" 100 >"$dir/origin/www/manifest.json"
origin_sign "$dir/origin/www/manifest.json" bench
"$bench/big-manifest" 100000 >"$dir/big.json"
origin_sign "$dir/big.json" bench
origin_start
url=$ORIGIN_URL/manifest.json
start_daemon xenstored
export XENBLACKLIST_REGISTRY=$dir/registry.sync
"$xb" --quiet sync --url "$url" >/dev/null
row "sync, nothing new (100 entries)" "$(best 5 true "$xb" --quiet sync --url "$url")" \
  "curl of the same two files" "$(best 5 true curl -s -S --cacert "$dir/origin/ca.pem" -o /dev/null -o /dev/null "$url" "$url.minisig")"

export XENBLACKLIST_REGISTRY=$dir/registry.big
forget() { rm -f "$dir"/registry.big*; }
row "verify of 100,000 entries" "$(best 2 true "$xb" verify "$dir/big.json")" \
  "jq, counting them" "$(best 2 true jq '.entries | length' "$dir/big.json")"
row "sync --from of 100,000 entries" "$(best 2 forget "$xb" --quiet sync --no-apply --from "$dir/big.json")" \
  "jq, every member of every entry" "$(best 2 true jq -r '.entries[] | [.[] | tostring] | @tsv' "$dir/big.json")"

forget
bytes=$(stat -c %s "$dir/big.json")
rss=$("$bench/peak-memory" "$xb" --quiet sync --from "$dir/big.json")
awk -v r="$rss" -v b="$bytes" 'BEGIN {
  printf "\npeak memory of a sync of 100,000 entries: %.0f MiB, %.1f times the %.1f MiB of its manifest\n", r / 1048576, r / b, b / 1048576
}'
