#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every verb with every kind of bad argument: a clear error of the right kind, nothing written.
# The verbs come from --list-verbs: one that has no row in usage_of() fails the test.

load cli
load sandbox

setup_file() {
  cli_setup_file
}

teardown_file() {
  sandbox_stop
}

# The registry and the daemon are shared: nothing may change in them anyway.
cli_setup_file() {
  export XB_DAEMON=${XB_DAEMON:-xenstored}
  sandbox_start
  cd "$BATS_FILE_TMPDIR" || return 1
  BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR cli_setup
  xb_run add 65535 524800,524801 --reason one --id e1 -q
  xb_run exception add 65535 524801 --reason one --owner me -q
  xb_run apply
  printf '{ "format": "nonsense" }' >file
}

setup() {
  BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR cli_setup
}

# The arguments of a verb: words are taken as they are, {KIND} is a good value of that kind.
usage_of() {
  case $1 in
  'product list') echo '--status={CHOICE:assigned} --origin={CHOICE:local} --expiring={DATE}' ;;
  'product show') echo '{PRODUCT}' ;;
  'product allocate') echo '{NEWNAME} --vendor={TEXT} --contact={TEXT} --number={NUMBER}
    --encoding={USE} --reference={TEXT0} --node={NODE} --provisional-until={DATE} --reason={TEXT}' ;;
  'product reserve') echo '{NUMBERS} --reason={TEXT}' ;;
  'product update') echo '{PRODUCT} --name={NEWNAME} --node={NODE} --vendor={TEXT0} --contact={TEXT0}
    --reference={TEXT0} --encoding={USE} --provisional-until={DATE} --reason={TEXT} --number={NUMBER}' ;;
  'product transfer') echo '{PRODUCT} --vendor={TEXT} --contact={TEXT} --reason={TEXT}' ;;
  'product release' | 'product revoke' | 'product retire') echo '{PRODUCT} --reason={TEXT}' ;;
  'encoding list') echo '' ;;
  'encoding show') echo '{ENCODING}' ;;
  'encoding define') echo '{NEWNAME} --scan={SCAN} --expression={EXPRESSION} --reason={TEXT}' ;;
  encode) echo '{PRODUCT} {BUILD}' ;;
  decode) echo '{PRODUCT} {NUMBER32}' ;;
  import) echo '{INFILE} --format={CHOICE:pvdrivers} --reason={TEXT}' ;;
  export) echo '--format={CHOICE:csv} --origin={CHOICE:all} -o {OUTFILE}' ;;
  publish) echo '{OUTDIR} --expires={DATE}' ;;
  add) echo '{PRODUCT} {BUILDS} --reason={TEXT} --id={NEWID} --reference={TEXT} --mode={CHOICE:audit}
    --not-before={DATE} --expires={DATE}' ;;
  remove) echo '{ID} --reason={TEXT}' ;;
  'remove '*) echo '{PRODUCT} {BUILDS}' ;;
  list | 'exception list') echo '{PRODUCT} --expiring={DATE}' ;;
  'exception add') echo '{PRODUCT} {BUILDS} --reason={TEXT} --owner={TEXT} --expires={DATE}' ;;
  'exception remove') echo '{ID} --reason={TEXT}' ;;
  check) echo '{PRODUCT} {BUILD}' ;;
  explain) echo '{PRODUCT} {BUILD} --run-directory={NOTEMPTY}' ;;
  plan) echo '--out={OUTFILE}' ;;
  apply) echo '--plan={INFILE}' ;;
  audit) echo '--run-directory={NOTEMPTY}' ;;
  simulate) echo '{PRODUCT} {BUILD} --unplug={NUMBER} --device-model={CHOICE:qemu}' ;;
  status) echo '--prometheus={OUTFILE}' ;;
  history) echo '{PRODUCT} --since={DATE}' ;;
  sync) echo '--from={INFILE} --url={URL} --wait={NUMBER32} --splay={NUMBER32} --accept-version={NUMBER64}' ;;
  verify) echo '{INFILE} --signature={INFILE}' ;;
  guests) echo '' ;;
  *) return 1 ;;
  esac
}

good() {
  case $1 in
  PRODUCT) echo 65535 ;;
  BUILD | BUILDS) echo 5 ;;
  NUMBER | NUMBERS | NUMBER32 | NUMBER64) echo 7 ;;
  TEXT | TEXT0) echo why ;;
  DATE) echo 2027-01-01 ;;
  NEWNAME | NODE | NEWID) echo fresh ;;
  ID) echo e1 ;;
  ENCODING) echo raw ;;
  USE) echo raw@0..9 ;;
  SCAN) echo a.b ;;
  EXPRESSION) echo 'a[255]<<8|b[255]' ;;
  INFILE) echo file ;;
  OUTFILE) echo /dev/null ;;
  OUTDIR) echo outdir ;;
  NOTEMPTY) echo x ;;
  URL) echo https://localhost:1/ ;;
  CHOICE:*) echo "${1#*:}" ;;
  esac
}

HUGE=$(printf '%0100000d' 7)
ANY=('' $'\xff\xfe' $'\e[31mred' "$HUGE")

# Values of a kind that every verb has to refuse, into the array $bad.
bad_values() {
  case $1 in
  PRODUCT) bad=("${ANY[@]}" ../../etc/passwd 65536 99999999999999999999 0x 0x10000 'no such' %s%n $'a\nb') ;;
  BUILD) bad=("${ANY[@]}" ../../etc/passwd 4294967296 0x100000000 0x 1..2 all x:1 xen-win: xen-win:1 1.2.3 %s%n $'1\n') ;;
  BUILDS) bad=("${ANY[@]}" ../../etc/passwd 4294967296 0x100000000 .. 1.. ..2 9..3 '1,,2' ',' x:1 xen-win: xen-win:9.1.0..1.0.0
    raw:1..xen-win:2 '*' xen-win:300.1.1 %s%n 1.2.3) ;;
  NUMBER) bad=("${ANY[@]}" 65536 x 0x 1.5 ' 7' +7 07) ;;
  NUMBER32) bad=("${ANY[@]}" 4294967296 x 0x ' 7' +7 07) ;;
  NUMBER64) bad=("${ANY[@]}" 18446744073709551616 x 0x ' 7' +7) ;;
  NUMBERS) bad=("${ANY[@]}" 65536 9-3 7- 1-2-3 a-b 3-9) ;;
  TEXT) bad=("${ANY[@]}" ' ' $'a\nb' $'\t') ;;
  TEXT0) bad=($'\xff\xfe' $'\e[31mred' "$HUGE" ' ' $'a\nb') ;;
  DATE) bad=("${ANY[@]}" tomorrow 2026-13-01 2026-02-30 + +d +99999999d 2026-11-20T12:00:00 0) ;;
  NEWNAME) bad=("${ANY[@]}" / ../x ' ' $'a\nb' $'\xc2\x9b') ;;
  NODE) bad=("${ANY[@]}" a/b .. 'a b' _x ü) ;;
  NEWID) bad=("${ANY[@]}" ../x 'a b' a/b ü) ;;
  ID) bad=("${ANY[@]}" ../x 'no such') ;;
  ENCODING) bad=("${ANY[@]}" ../x nope const: const:x const:4294967296) ;;
  USE) bad=("${ANY[@]}" nope raw@ raw@1 raw@1.. raw@9..3 raw@0..4294967296 @1..2 raw@x..y) ;;
  SCAN) bad=("${ANY[@]}" a..b a.a 1 .) ;;
  EXPRESSION) bad=("${ANY[@]}" 'a[' 'c[1]' 'a[255]<<32|b[1]' 'a[255]+b[255]|1' '((' 4294967296) ;;
  INFILE) bad=('' missing . "$HUGE" $'missing\e[31m') ;;
  OUTFILE) bad=('' missing/dir/file . "$HUGE") ;;
  OUTDIR) bad=('' missing/dir/x file "$HUGE") ;;
  NOTEMPTY) bad=('') ;;
  URL) bad=("${ANY[@]}" http://localhost/ ftp://x/ file:///etc/passwd nonsense 'https://') ;;
  CHOICE:*) bad=("${ANY[@]}" zzz) ;;
  *) bad=() ;;
  esac
}

state() {
  sqlite3 registry.db "SELECT count(*), max(seq) FROM history" 2>&1
  xenstore-ls -p /mh
  ls -A
}

# refused WORD...: leaves with a status of its own for bad input, says one line that is safe.
refused() {
  local status=0 first='' good=no
  calls=$((calls + 1))
  "$XB" "$@" >m.out 2>m.err </dev/null || status=$?
  read -r first <m.err || :
  case $status in
  64 | 65 | 66 | 73 | 77 | 78) [[ $first == xenblacklist* && ${#first} -lt 1400 ]] && good=yes ;;
  esac
  if LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f\xff\xfe]' m.err m.out; then good=unsafe; fi
  [ "$good" = yes ] && return
  echo "status $status $good: $(printf '%q ' "$@" | cut -c 1-300)"
  head -c 1500 m.err
  return 1
}

# matrix VERB ROW: each {KIND} of the row in turn with each bad value.
matrix() {
  local verb=$1 row n=0 word kind value i
  read -r -d '' -a row <<<"$2" || :
  local -a args=() kinds=() bad=()
  for word in "${row[@]}"; do
    kind=$(sed -n 's/.*{\(.*\)}.*/\1/p' <<<"$word")
    kinds+=("$kind")
    args+=("${word/\{*\}/$(good "$kind")}")
  done
  for i in "${!kinds[@]}"; do
    [ -n "${kinds[i]}" ] || continue
    bad_values "${kinds[i]}"
    for value in "${bad[@]}"; do
      local -a line=("${args[@]}")
      line[i]=${row[i]/\{*\}/}$value
      # shellcheck disable=SC2086
      refused $verb "${line[@]}" || n=$((n + 1))
    done
  done
  # One argument too many.
  # shellcheck disable=SC2086
  refused $verb "${args[@]}" one-more and-one-more or-two || n=$((n + 1))
  [ "$n" = 0 ]
}

@test "every verb has a row here" {
  xb_run --list-verbs >verbs
  while read -r verb; do
    usage_of "$verb" >/dev/null || { echo "no row for '$verb'"; return 1; }
  done <verbs
  rm verbs
}

@test "every verb refuses every bad value, and nothing is written" {
  before=$(state)
  n=0
  calls=0
  while read -r verb; do
    matrix "$verb" "$(usage_of "$verb")" || n=$((n + 1))
  done <<<"$(xb_run --list-verbs)"
  matrix remove "$(usage_of 'remove set')" || n=$((n + 1))
  rm -f m.out m.err got.out got.err
  after=$(state)
  diff <(echo "$before") <(echo "$after")
  echo "$calls calls"
  [ "$calls" -gt 500 ]
  [ "$n" = 0 ]
}
