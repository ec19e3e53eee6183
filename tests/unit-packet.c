/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages between xenblacklistd's processes, and what a process that was taken over could send. */
#include "tests/unit.h"

#include "device/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

static void travels(void **state)
{
	struct packet out = { .kind = PACKET_VERDICT,
			      .domid = 7,
			      .product = 65535,
			      .build = 4294967295u,
			      .verdict = VERDICT_BLACKLISTED,
			      .flag = true,
			      .name = "web",
			      .text = "12345678" };
	struct packet in;
	int fds[2], fd = 99;

	(void)state;
	packet_pair(fds);
	assert_int_equal(packet_recv(fds[1], &in, &fd), 0);
	assert_true(packet_send(fds[0], &out, -1));
	memset(&in, 0xff, sizeof(in));
	assert_int_equal(packet_recv(fds[1], &in, &fd), 1);
	assert_int_equal(fd, -1);
	assert_int_equal(in.kind, PACKET_VERDICT);
	assert_int_equal(in.domid, 7);
	assert_int_equal(in.product, 65535);
	assert_int_equal(in.build, 4294967295u);
	assert_true(in.flag);
	assert_string_equal(in.name, "web");
	assert_string_equal(in.text, "12345678");
	memset(out.text, 'x', sizeof(out.text));
	out.text[sizeof(out.text) - 1] = '\0';
	assert_true(packet_send(fds[0], &out, -1));
	assert_int_equal(packet_recv(fds[1], &in, &fd), 1);
	assert_string_equal(in.text, out.text);
	close(fds[0]);
	assert_int_equal(packet_recv(fds[1], &in, &fd), -1);
	close(fds[1]);
}

static void carries_a_descriptor(void **state)
{
	const struct packet out = { .kind = PACKET_RULES };
	struct packet in;
	int fds[2], fd = -1;

	(void)state;
	packet_pair(fds);
	assert_true(packet_send(fds[0], &out, fds[0]));
	assert_int_equal(packet_recv(fds[1], &in, &fd), 1);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

/* Short, unterminated and unknown messages; more descriptors than anybody asked for. */
static void distrusts(void **state)
{
	struct packet in, out = { .kind = PACKET_KINDS };
	int fds[2], fd;

	(void)state;
	packet_pair(fds);
	assert_true(packet_send(fds[0], &out, -1));
	assert_int_equal(packet_recv(fds[1], &in, &fd), -1);
	assert_int_equal(send(fds[0], "short", 5, 0), 5);
	assert_int_equal(packet_recv(fds[1], &in, &fd), -1);
	memset(&out, 'x', sizeof(out));
	out.kind = PACKET_GUEST;
	assert_int_equal(send(fds[0], &out, sizeof(out), 0), sizeof(out));
	assert_int_equal(packet_recv(fds[1], &in, &fd), 1);
	assert_int_equal(strlen(in.name), sizeof(in.name) - 1);
	assert_int_equal(strlen(in.text), sizeof(in.text) - 1);
	assert_int_equal(send(fds[0], &out, offsetof(struct packet, text), 0),
			 offsetof(struct packet, text));
	assert_int_equal(packet_recv(fds[1], &in, &fd), 1);
	assert_string_equal(in.text, "");
	close(fds[0]);
	close(fds[1]);
}

/* Nobody reads: the sender is told so and does not wait. */
static void never_waits(void **state)
{
	const struct packet out = { .kind = PACKET_GUEST, .text = "text" };
	int fds[2], sent = 0;

	(void)state;
	packet_pair(fds);
	while (sent < 1000000 && packet_send(fds[0], &out, -1))
		sent++;
	assert_in_range(sent, 1, 999999);
	assert_int_equal(errno, EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(travels),
	cmocka_unit_test(carries_a_descriptor),
	cmocka_unit_test(distrusts),
	cmocka_unit_test(never_waits),
};
UNIT_MAIN(tests)
