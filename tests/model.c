/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small random encodings (weights at will, far enough apart, or just so), evaluated the simple way. */
#include "tests/model.h"

#include <inttypes.h>
#include <string.h>

uint32_t model_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (uint32_t)(*state >> 16);
}

uint32_t model_below(uint64_t *state, uint32_t n)
{
	return model_random(state) % n;
}

void model_make(struct model *m, uint64_t *state)
{
	static const char policies[] = { '!', '!', '^', '~' };
	char *at = m->expression, *end = m->expression + sizeof(m->expression);
	enum { WILD, TIDY, EDGE } style = model_below(state, 3);
	uint32_t next = 1, below = 0;
	struct err err;

	memset(m, 0, sizeof(*m));
	m->n = 1 + model_below(state, 4);
	m->is_or = model_below(state, 2);
	m->base = model_below(state, 3) ? 0 : model_below(state, 20);
	if (m->base)
		at += snprintf(at, (size_t)(end - at), "%" PRIu32 "%s", m->base,
			       m->is_or ? " | " : " + ");
	for (size_t i = m->n; i-- > 0;) {
		m->max[i] = model_below(state, 8);
		m->policy[i] = policies[model_below(state, ARRAY_SIZE(policies))];
		if (m->is_or)
			m->weight[i] = 1u << model_below(state, 6);
		else
			m->weight[i] = 1 + model_below(state, 40);
		if (style == TIDY) {
			m->weight[i] = next;
			next = m->is_or ? next * 8 : next * 8 + model_below(state, 3);
		} else if (style == EDGE && !m->is_or) {
			m->weight[i] = below ? below + model_below(state, 2) : 1;
		}
		below += m->max[i] * m->weight[i];
		at += snprintf(at, (size_t)(end - at), "%c[%" PRIu32 "%c]*%" PRIu32 "%s",
			       (char)('a' + i), m->max[i], m->policy[i], m->weight[i],
			       i ? m->is_or ? " | " : " + " : "");
	}
	for (size_t i = 0; i < m->n; i++) {
		m->scan[2 * i] = (char)('a' + i);
		m->scan[2 * i + 1] = i + 1 < m->n ? '.' : '\0';
	}
	if (encoding_compile("model", m->scan, m->expression, &m->e, &err) < 0) {
		fprintf(stderr, "%s: %s\n", m->expression, err.msg);
		abort();
	}
}

void model_free(struct model *m)
{
	encoding_free(m->e);
	m->e = NULL;
}

uint32_t model_eval(const struct model *m, const uint32_t v[4])
{
	uint32_t build = m->base;

	for (size_t i = 0; i < m->n; i++) {
		uint32_t x = m->policy[i] == '^' && v[i] > m->max[i] ? m->max[i] : v[i];

		if (m->is_or)
			build |= x * m->weight[i];
		else
			build += x * m->weight[i];
	}
	return build;
}

uint32_t model_top(const struct model *m, size_t i)
{
	return m->policy[i] == '^' ? m->max[i] + 2 : m->max[i];
}

bool model_next(const struct model *m, uint32_t v[4])
{
	for (size_t i = m->n; i-- > 0;) {
		if (v[i] < model_top(m, i)) {
			v[i]++;
			return true;
		}
		v[i] = 0;
	}
	return false;
}

void model_text(const struct model *m, const uint32_t v[4], char text[static 64])
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < m->n; i++)
		at += (size_t)snprintf(text + at, 64 - at, "%s%" PRIu32, i ? "." : "", v[i]);
}
