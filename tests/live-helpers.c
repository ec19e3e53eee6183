/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for xenblacklistd's supervisor where there is no hypervisor: starts the keeper and the
 * registrar, prints what they tell, line by line, and does what its standard input says:
 *   ask PRODUCT BUILD                        what a domain's process would answer now
 *   saw GUEST UUID PRODUCT BUILD FLAG TIMES  sightings
 *   reload
 * Options: --no-heal; --no-registrar. Registry and configuration come from the environment.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "device/keeper.h"
#include "device/packet.h"
#include "device/registrar.h"
#include "device/rules.h"

static struct rules *rules;

static void take(int sock, const char *who)
{
	struct packet m;
	int fd;

	while (packet_recv(sock, &m, &fd) > 0) {
		struct rules *fresh;
		struct err err;

		if (m.kind == PACKET_TALK)
			printf("%s says %" PRIu32 ": %s\n", who, m.value, m.text);
		else if (m.kind == PACKET_RULES && fd < 0)
			printf("no rules\n");
		else if (m.kind == PACKET_RULES && rules_open(fd, &fresh, &err) < 0)
			printf("bad rules: %s\n", err.msg);
		else if (m.kind == PACKET_RULES) {
			rules_close(rules);
			rules = fresh;
			printf("rules %" PRIu32 "\n", m.count);
		} else if (m.kind == PACKET_DOMAIN)
			printf("domain %u %s %s %s\n", m.domid, m.flag ? "guard" : "leave", m.name,
			       m.text);
		close_fd(fd);
	}
}

static void obey(char *line, int registrar, int keeper)
{
	const struct packet reload = { .kind = PACKET_RELOAD };
	struct packet m = { .kind = PACKET_SIGHTING, .domid = 1 };
	unsigned product, build, flag, times;

	if (sscanf(line, "ask %u %u", &product, &build) == 2)
		printf("%u %u: %s\n", product, build,
		       verdict_name(rules_ask(rules, (uint16_t)product, build)));
	else if (sscanf(line, "saw %255s %63s %u %u %u %u", m.name, m.text, &product, &build, &flag,
			&times) == 6) {
		m.product = (uint16_t)product;
		m.flag = flag;
		for (m.build = build; m.build < build + times; m.build++)
			packet_push(registrar, &m, -1);
	} else if (strncmp(line, "reload", 6) == 0) {
		packet_push(registrar, &reload, -1);
		packet_push(keeper, &reload, -1);
	}
}

static pid_t start(int ret_sock[2])
{
	packet_pair(ret_sock);
	return fork();
}

int main(int argc, char **argv)
{
	bool heal = true, registrar = true;
	int keeper_sock[2], registrar_sock[2];
	char line[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() does not see what a buffer holds */
	for (int i = 1; i < argc; i++) {
		heal &= strcmp(argv[i], "--no-heal") != 0;
		registrar &= strcmp(argv[i], "--no-registrar") != 0;
	}
	if (start(keeper_sock) == 0) {
		const struct keeper_options o = { keeper_sock[1], heal };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(keeper_sock[0]);
		return keeper_run(&o);
	}
	if (start(registrar_sock) == 0) {
		const struct registrar_options o = { registrar_sock[1],
						     getenv("XENBLACKLIST_REGISTRY"),
						     getenv("XENBLACKLIST_CONFIG"), heal };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(keeper_sock[0]);
		close(registrar_sock[0]);
		return registrar ? registrar_run(&o) : pause();
	}
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = 0, .events = POLLIN },
			{ .fd = keeper_sock[0], .events = POLLIN },
			{ .fd = registrar_sock[0], .events = POLLIN },
		};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return 1;
		take(keeper_sock[0], "keeper");
		take(registrar_sock[0], "registrar");
		if (fds[0].revents && !fgets(line, sizeof(line), stdin))
			return 0;
		if (fds[0].revents)
			obey(line, registrar_sock[0], keeper_sock[0]);
	}
}
