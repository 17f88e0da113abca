/* pretokenize_internal.h: between pretokenize.c, which reads the pre-tokenizer and runs its steps in order, and pretokenize_steps.c, the steps. */
#ifndef LOOM_PRETOKENIZE_INTERNAL_H
#define LOOM_PRETOKENIZE_INTERNAL_H

#include "pretokenize.h"

struct loom_pretokenize_step {
	bool (*run)(const struct loom_pretokenize_step *step, struct loom_work *w);
	enum loom_behavior behavior;
	bool invert;                 /* Split */
	bool add_prefix_space;       /* ByteLevel */
	struct loom_regex *regex;    /* Split, ByteLevel with use_regex */
	bool (*is)(uint32_t cp);     /* the delimiters of the steps by class */
	uint32_t delimiter;          /* CharDelimiterSplit */
	size_t length;               /* FixedLength, characters */
	struct loom_metaspace meta;
};

/* Each cuts the work's pieces, or rewrites them too; false: out of memory. */
bool loom_step_lengths(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_scripts(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_class(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_words(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_split(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_byte_level(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_step_metaspace(const struct loom_pretokenize_step *step, struct loom_work *w);
bool loom_is_punctuation(uint32_t cp);
bool loom_is_numeric(uint32_t cp);

#endif
