/* decode_step.h: one step of a decoder, between reading it (decode_open.c) and running it (decode.c). */
#ifndef LOOM_DECODE_STEP_H
#define LOOM_DECODE_STEP_H

#include "pretokenize.h"
#include "regex.h"

enum loom_decode_kind { LOOM_DECODE_JOIN, LOOM_DECODE_BYTE_LEVEL, LOOM_DECODE_WORDPIECE, LOOM_DECODE_METASPACE, LOOM_DECODE_BYTE_FALLBACK,
	LOOM_DECODE_FUSE, LOOM_DECODE_REPLACE, LOOM_DECODE_STRIP, LOOM_DECODE_BPE_SUFFIX, LOOM_DECODE_CTC };

struct loom_decode_step {
	enum loom_decode_kind kind;
	bool fused;                /* its input is one string in parts */
	bool collects;             /* and it needs the whole */
	const char *text;          /* [n_text] WordPiece: prefix; Replace: content; BPEDecoder: suffix; LOOM_DECODE_CTC: pad_token */
	size_t n_text;
	const char *delimiter;     /* [n_delimiter] LOOM_DECODE_CTC: word_delimiter_token */
	size_t n_delimiter;
	bool cleanup;              /* WordPiece, LOOM_DECODE_CTC */
	struct loom_metaspace meta;
	struct loom_regex *regex;  /* Replace */
	uint32_t strip_cp;         /* Strip */
	size_t strip_start, strip_stop;
};

#endif
