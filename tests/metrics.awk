# SPDX-License-Identifier: LGPL-2.1-or-later
# Is the file what a Prometheus text collector takes, and named as 'promtool check metrics' wants
# it? Prints what is wrong, a line each; leaves with 1 then.

function bad(what) {
  printf "line %d: %s: %s\n", NR, what, $0
  wrong = 1
}

# A gauge counts no events and is in base units.
function check_name(name, type,    n, part, i) {
  if (name !~ /^xenblacklist_[a-z][a-z0-9]*(_[a-z0-9]+)*$/) bad("name")
  if ((type == "counter") != (name ~ /_total$/)) bad("suffix _total is for counters, and all of them")
  if (name ~ /_(count|sum|bucket)$/) bad("suffix of a histogram")
  if (name ~ /(gauge|counter|histogram|summary)/) bad("type in the name")
  n = split(name, part, "_")
  for (i = 1; i <= n; i++)
    if (part[i] ~ /^(ms|milliseconds|minutes|hours|days|weeks|kb|kib|mb|mib|kilobytes|megabytes|bits|percent)$/)
      bad("not a base unit")
  if (name ~ /timestamp/ && name !~ /_timestamp_seconds$/) bad("a time without _timestamp_seconds")
  if (name ~ /(size|memory)/ && name !~ /_bytes(_total)?$/) bad("a size without _bytes")
}

/^# HELP / {
  if (state == "type" || state == "help") bad("no sample before")
  if ($3 in helped) bad("twice")
  if (NF < 4) bad("no text")
  if ($0 ~ /\\[^\\n]/) bad("escape")
  helped[$3] = 1
  name = $3
  state = "help"
  next
}

/^# TYPE / {
  if (state != "help" || $3 != name) bad("not behind its HELP")
  if (NF != 4 || $4 !~ /^(gauge|counter)$/) bad("type")
  check_name($3, $4)
  state = "type"
  next
}

/^#/ { bad("comment"); next }

{
  if ($0 !~ /^[a-z_0-9]+(\{[a-z_]+="([^"\\]|\\[\\"n])*"(,[a-z_]+="([^"\\]|\\[\\"n])*")*\})? -?[0-9]+(\.[0-9]+)?$/) {
    bad("sample")
    next
  }
  match($0, /^[a-z_0-9]+/)
  if (state == "help" || substr($0, 1, RLENGTH) != name) bad("not behind its TYPE")
  key = $0
  sub(/ [^ ]*$/, "", key)
  if (key in seen) bad("twice")
  seen[key] = 1
  state = "sample"
  samples++
}

END {
  if (state != "sample" || !samples) bad("no sample at the end")
  exit wrong
}
