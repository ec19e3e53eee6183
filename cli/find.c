/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hides that a verb's name has one word or two, the first of which is a group. */
#include "cli/find.h"

#include <string.h>

#include "cli/mistake.h"
#include "registry/near.h"

/* Of the first word of its name: a group, or all of it. */
static size_t word_length(const struct verb *v)
{
	return strcspn(v->name, " ");
}

/* The verbs, or those of one group when GROUP is not NULL. */
static char *list_text(const char *group)
{
	const char *section = NULL;
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	for (const struct verb *const *v = verbs; *v; v++) {
		if (group && ((*v)->name[word_length(*v)] == '\0' ||
			      !span_eq(span_of((*v)->name, word_length(*v)), group)))
			continue;
		if (!group && (!section || strcmp(section, (*v)->section) != 0))
			fprintf(f, "%s%s:\n", section ? "\n" : "", (*v)->section);
		section = (*v)->section;
		fprintf(f, "  %-18s %s\n", (*v)->name, (*v)->summary);
	}
	fclose(f);
	return text;
}

char *find_list(void)
{
	return list_text(NULL);
}

static bool is_group(const char *word)
{
	for (const struct verb *const *v = verbs; *v; v++)
		if ((*v)->name[word_length(*v)] &&
		    span_eq(span_of((*v)->name, word_length(*v)), word))
			return true;
	return false;
}

static const struct verb *verb_named(const char *name)
{
	for (const struct verb *const *v = verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

static int unknown_verb(const char *word)
{
	struct near near = { .word = word };
	CLEANUP(free) char *hint = NULL, *best = NULL;

	near_offer(&near, "help");
	for (const struct verb *const *v = verbs; *v; v++) {
		CLEANUP(free) char *group = xstrndup((*v)->name, word_length(*v));

		near_offer(&near, (*v)->name);
		near_offer(&near, group);
		if (near.best == group) {
			free(best);
			near.best = best = TAKE(group);
		}
	}
	hint = near_text(&near);
	return mistake_tell("unknown verb '%.64s'%s%s", word, hint,
			    *hint ? "" : " (see 'xenblacklist help')");
}

/* What stands after a group's name: nothing, --help, or something that is no verb of it. */
static int bad_group_word(const char *group, const char *word)
{
	CLEANUP(free) char *list = list_text(group);
	struct near near = { .word = word ? word : "" };
	CLEANUP(free) char *hint = NULL, *text = NULL;
	size_t n = strlen(group);

	if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0)) {
		printf("Usage: xenblacklist %s VERB [OPTION...]\n\n%s", group, list);
		return 0;
	}
	for (const struct verb *const *v = verbs; *v; v++)
		if (strncmp((*v)->name, group, n) == 0 && (*v)->name[n] == ' ')
			near_offer(&near, (*v)->name + n + 1);
	hint = near.best ? xasprintf(", did you mean '%s %s'?", group, near.best) : xstrdup("");
	if (word && *word != '-')
		return mistake_tell("unknown verb '%s %.64s'%s%s", group, word, hint,
				    *hint ? "" : " (see 'xenblacklist help')");
	fprintf(stderr, "xenblacklist: '%s' needs one of:\n%s", group, list);
	text = xasprintf("'%s' needs a verb (see 'xenblacklist %s --help')", group, group);
	return mistake_object("", text);
}

const struct verb *find_verb(int argc, char **argv, int *ret_words, int *ret_status)
{
	const struct verb *v = verb_named(argv[0]);
	CLEANUP(free) char *two = NULL;

	*ret_words = 1;
	if (v && !strchr(v->name, ' '))
		return v;
	if (!is_group(argv[0])) {
		*ret_status = unknown_verb(argv[0]);
		return NULL;
	}
	if (argc > 1)
		two = xasprintf("%s %s", argv[0], argv[1]);
	v = two && !strchr(argv[1], ' ') ? verb_named(two) : NULL;
	if (!v)
		*ret_status = bad_group_word(argv[0], argv[1]);
	*ret_words = 2;
	return v;
}
