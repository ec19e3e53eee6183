-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What a new registry knows: the products of Xen's pvdrivers.h, the encodings of the drivers that
-- are known to use them, and numbers in use that nobody registered. The program sets "created".

INSERT INTO encoding (name, scan, expression, origin, created) VALUES
	('raw', 'n', 'n[0xffffffff]', 'shipped', 0),
	('const:1', '...', '1', 'shipped', 0),
	('linux-kvc8', 'a.b.c?...', 'a[127]<<24 + b[255]<<16 + c[255^]<<8', 'shipped', 0),
	('xen-win', 'a.b.c?...', 'a[255]<<16 | b[255]<<8 | c[65535~]', 'shipped', 0),
	('pci-id-rev', 'd:x/r:x', 'd[0xffff]<<8 | r[255]', 'shipped', 0),
	('vmdp-dec', 'a.b.c?...', 'a[99]*10000 + b[99]*100 + c[99]', 'shipped', 0);

INSERT INTO product (id, number, name, node, status, origin, vendor, contact, reference, created)
VALUES
	(1, 1, 'xensource-windows', 'xensource-windows', 'assigned', 'shipped', 'Citrix', '',
	 'xen/include/public/pvdrivers.h', 0),
	(2, 2, 'gplpv-windows', 'gplpv-windows', 'assigned', 'shipped', 'James Harper', '',
	 'xen/include/public/pvdrivers.h', 0),
	(3, 3, 'linux', 'linux', 'assigned', 'shipped', '', '',
	 'xen/include/public/pvdrivers.h', 0),
	(4, 4, 'xenserver-windows-v7.0+', 'xenserver-windows-v7-0-', 'assigned', 'shipped',
	 'Citrix', '', 'xen/include/public/pvdrivers.h', 0),
	(5, 5, 'xenserver-windows-v7.2+', 'xenserver-windows-v7-2-', 'assigned', 'shipped',
	 'Citrix', '', 'xen/include/public/pvdrivers.h', 0),
	(6, 205, 'suse-vmdp', 'suse-vmdp', 'unregistered-use', 'shipped', 'SUSE', '',
	 'https://github.com/SUSE/vmdp (xen/xenbus/xenbus_client.c, virtio/include/win_version.h)',
	 0),
	(7, 65535, 'experimental', 'experimental', 'experimental', 'shipped', '', '',
	 'xen/include/public/pvdrivers.h', 0);

INSERT INTO product_encoding (product_id, encoding, from_build, to_build, user) VALUES
	(1, 'raw', 0, 4294967295,
	 'Citrix legacy Windows drivers: a build counter (459008 also by win-xenbus 7.1.0 of 2013-09-06 to 10)'),
	(2, 'const:1', 0, 4294967295, 'GPLPV Windows drivers, every version'),
	(3, 'const:1', 0, 255, 'Linux 2.6.36 and later, every version'),
	(3, 'pci-id-rev', 256, 4294967295, 'XenServer 6.1 Windows drivers 7.0 and 7.1'),
	(4, 'pci-id-rev', 0, 4294967295, 'XenServer Windows drivers 7.0 and later'),
	(5, 'raw', 0, 4294967295, 'XenServer Windows drivers 7.2 and later (presumably xen-win)'),
	(6, 'vmdp-dec', 0, 4294967295, 'SUSE VMDP 2.5'),
	(7, 'xen-win', 0, 16777215, 'Xen Project Windows PV drivers 7.2 and later, XCP-ng, Qubes'),
	(7, 'raw', 16777216, 33554431, ''),
	(7, 'linux-kvc8', 33554432, 4294967295,
	 'Linux drivers outside of the kernel tree: unmodified_drivers, xen-kmp, UVP');

INSERT INTO reservation (first, last, kind, origin, reason, created) VALUES
	(0, 0, 'closed', 'shipped',
	 'the number of a driver that never announced one (OSv)', 0),
	(100, 299, 'warn', 'shipped',
	 'SUSE VMDP announces its own version, major * 100 + minor, as its product number (205 is 2.5)',
	 0);
