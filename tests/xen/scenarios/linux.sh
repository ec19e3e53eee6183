# SPDX-License-Identifier: LGPL-2.1-or-later
# A stock Debian kernel as the guest, with two vcpus: what it says about itself.
linux() { # NAME VCPUS
  memory=192 kernel=yes create "$1" "vcpus=$2" 'kernel="/guest/vmlinuz"' 'ramdisk="/guest/initrd"' \
    'cmdline="console=ttyS0 loglevel=8"' 'xen_platform_pci=1'
}
blacklist linux 1
check "the daemon starts" daemon_start
check "a Linux guest with two vcpus is created" linux bad 2
check "it boots and powers off" go bad 400
check "its kernel was told" said bad "Xen Platform: blacklisted by host"
check "its kernel does not unplug" sh -c "! grep -q 'unplug emulated' $tmp/bad.log"
check "it has two vcpus" said bad "up with 2 vcpus"
xenstore-rm /mh/driver-blacklist/linux/1
check "a Linux guest is created" linux good 1
check "it boots and powers off" go good 400
check "its kernel unplugs" said good "unplug emulated"
check "both were seen" logged "'bad'.*product 3 build 1: blacklisted"
check "both were seen" logged "'good'.*product 3 build 1: allowed"
check "the daemon stops" daemon_stop
