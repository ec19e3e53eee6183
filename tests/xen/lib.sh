# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scenarios on the test host share. busybox sh.
# shellcheck shell=dash
tmp=/tmp

store_start() {
  case $XB_DAEMON in
  oxenstored)
    sed -e 's/^persistent.*/persistent = false/' /etc/xen/oxenstored.conf >$tmp/ox.conf
    oxenstored --config-file $tmp/ox.conf ;;
  *) xenstored --pid-file /run/xenstored.pid ;;
  esac
  i=0
  until xenstore-exists / 2>/dev/null || [ $i -gt 50 ]; do
    i=$((i + 1))
    usleep 100000
  done
}

say() {
  echo "@@ # $*"
}

# The dom0 shares its processor with the guests: what waits for them starts no program.
uptime() { # sets $up: seconds since the start
  read -r up _ </proc/uptime
  up=${up%%.*}
}

# check NAME COMMAND...: one TAP line; what the command printed follows when it failed.
check() {
  local name=$1 start up
  shift
  uptime
  start=$up
  if "$@" >$tmp/check.out 2>&1; then
    uptime
    echo "@@ ok $name"
    [ $((up - start)) -lt 15 ] || say "took $((up - start)) s"
  else
    echo "@@ not ok $name"
    sed 's/^/@@ # /' $tmp/check.out | tail -20
    return 1
  fi
}

# within SECONDS COMMAND...: true as soon as COMMAND is.
within() {
  local up end
  uptime
  end=$((up + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    uptime
    if [ "$up" -gt "$end" ]; then
      "$@"
      return
    fi
    usleep 200000
  done
}

# Table of a tiny guest (guest.S): each argument is "operation,port,value", numbers in C notation.
table() {
  local IFS=,
  for r; do
    set -- $r
    printf '%02x00%02x%02x%02x%02x%02x%02x' $(($1)) $(($2 & 255)) $(($2 >> 8)) \
      $(($3 & 255)) $(($3 >> 8 & 255)) $(($3 >> 16 & 255)) $(($3 >> 24 & 255))
  done
}

# tiny NAME RECORD...: makes the disk of a tiny guest.
tiny() {
  local name=$1
  shift
  {
    cat /guest/boot
    table "$@" | xxd -r -p
  } >$tmp/$name.img
  truncate -s 1048576 $tmp/$name.img
}

# The handshake as Linux does it: magic, version, product, build, magic again; unplug when allowed.
linux_way() { # PRODUCT BUILD
  echo "5,0x10,0 7,8,0x49d2 4,0x12,0 2,0x12,$1 3,0x10,$2 5,0x10,0 7,8,0x49d2 2,0x10,3 0,0,0"
}

# create NAME [LINE...]: builds a paused domain with a tiny disk; LINEs are added to its configuration.
create() {
  local name=$1
  shift
  rm -f $tmp/$name.log
  {
    echo "name='$name'"
    echo 'type="hvm"' 'vga="none"' | tr ' ' '\n'
    printf '%s\n' "memory=${memory:-64}" 'sdl=0' 'vnc=0' 'on_crash="destroy"' \
      "on_reboot='${on_reboot:-destroy}'" "serial='file:$tmp/$name.log'"
    [ -z "${kernel-}" ] && printf '%s\n' 'boot="c"' \
      "device_model_args_hvm=['-drive','file=$tmp/$name.img,if=ide,index=0,media=disk,format=raw']"
    printf '%s\n' "$@"
  } >$tmp/$name.cfg
  xl create -p $tmp/$name.cfg >$tmp/$name.xl 2>&1 || {
    sed 's/^/@@ # /' $tmp/$name.xl
    return 1
  }
  introduce "$name"
}

# introduce NAME: it has a new number (and a new device model).
introduce() {
  xl domid "$1" >$tmp/$1.domid
  xenstore-read "/local/domain/$(cat $tmp/$1.domid)/image/device-model-pid" >$tmp/$1.qemu 2>/dev/null || :
}
number() { # NAME: sets $number, its domain's
  read -r number <$tmp/$1.domid
}

gone() { # NAME
  local qemu=none
  read -r qemu <$tmp/$1.qemu || :
  [ ! -d "/proc/$qemu" ] && ! xl domid "$1" >/dev/null 2>&1
}

# finish NAME SECONDS: waits for the guest's end; a guest that is still there hangs.
finish() {
  within "$2" gone "$1" && return
  echo "guest $1 still there after $2 s:"
  cat $tmp/$1.log
  xl destroy "$1"
  return 1
}

said() { # NAME PATTERN: in the guest's serial log
  tr -d '\r' <$tmp/$1.log | grep -Eq -- "$2" || {
    cat $tmp/$1.log
    return 1
  }
}

# Answers of port 0x10 in order, as one line.
magics() {
  tr -d '\r' <$tmp/$1.log | sed -n 's/^10=//p' | tr '\n' ' '
}
answered() { # NAME "MAGIC MAGIC..."
  [ "$(magics "$1")" = "$2 " ] || {
    cat $tmp/$1.log
    return 1
  }
}

blacklist() { # NODE BUILD
  xenstore-write "/mh/driver-blacklist/$1/$2" test
}

# The daemon logs to /dev/log, as on any host; this listens there.
syslog_start() {
  [ -S /dev/log ] || syslogd -n -O $tmp/syslog >/dev/null 2>&1 &
  within 5 test -S /dev/log
}
daemon_pid() {
  cat /run/xenblacklistd/lock
}
# Returns when the daemon says that every domain is guarded.
daemon_start() {
  syslog_start
  xenblacklistd --verbose "$@"
}
daemon_stop() {
  local pid
  pid=$(daemon_pid)
  kill "$pid" && within 10 no_process "$pid"
}
no_process() {
  ! kill -0 "$1" 2>/dev/null
}
logged() { # PATTERN
  grep -Eq -- "$1" $tmp/syslog || {
    tail -30 $tmp/syslog
    return 1
  }
}
record() { # NAME KEY: of the daemon's record of a domain
  local number
  number "$1"
  sed -n "s/^$2 //p" "/run/xenblacklistd/$number.server"
}
is_attached() {
  [ "$(record "$1" attached)" = 1 ]
}
attached() {
  within 10 is_attached "$1" || {
    tail -30 $tmp/syslog
    return 1
  }
}

# go NAME [SECONDS]: a created guest that is guarded runs to its end.
go() {
  attached "$1" && xl unpause "$1" && finish "$1" "${2:-60}"
}

cleanup() {
  for n in $(xl list 2>/dev/null | sed -n '3,$s/ .*//p'); do
    xl destroy "$n"
  done
  [ -f /run/xenblacklistd/lock ] && kill "$(daemon_pid)" 2>/dev/null
  xenstore-rm /mh 2>/dev/null
}

# linux NAME VCPUS: a paused domain with a stock Debian kernel, whose user space tells what it was told.
linux() { # NAME VCPUS
  memory=192 kernel=yes create "$1" "vcpus=$2" 'kernel="/guest/vmlinuz"' 'ramdisk="/guest/initrd"' \
    'cmdline="console=ttyS0 quiet"' 'xen_platform_pci=1'
}
