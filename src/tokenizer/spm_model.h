/* spm_model.h: reading SentencePiece's tokenizer.model: a protocol-buffer message with the pieces, how they
 * were trained and how text is normalized. Only what tokenizing needs is kept; unknown fields are passed over. */
#ifndef LOOM_SPM_MODEL_H
#define LOOM_SPM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

enum { LOOM_SPM_NORMAL = 1, LOOM_SPM_UNKNOWN, LOOM_SPM_CONTROL, LOOM_SPM_USER_DEFINED, LOOM_SPM_UNUSED, LOOM_SPM_BYTE };
enum { LOOM_SPM_UNIGRAM = 1, LOOM_SPM_BPE };

struct loom_spm_text {
	const char *s; /* [n] in the file's bytes */
	size_t n;
};
struct loom_spm_piece {
	struct loom_spm_text text;
	float score;
	int type;
};
struct loom_spm {
	struct loom_spm_piece *pieces; /* [n] */
	size_t n;
	int64_t model_type;
	bool byte_fallback, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
	int64_t unk_id, bos_id, eos_id;
	struct loom_spm_text unk, bos, eos, charsmap;
};

/* data [n] must outlive m. Malformed: LOOM_E_MODEL. */
enum loom_status loom_spm_read(struct loom_spm *m, const void *data, size_t n, struct loom_err *err) LOOM_MUST_CHECK;
void loom_spm_release(struct loom_spm *m);

#endif
