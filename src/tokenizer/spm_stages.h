/* spm_stages.h: what `transformers` puts around a SentencePiece model: a table by tokenizer_class. */
#ifndef LOOM_SPM_STAGES_H
#define LOOM_SPM_STAGES_H

#include "folder.h"
#include "spm_model.h"

enum loom_spm_pieces {
	LOOM_SPM_AS_THEY_ARE,
	LOOM_SPM_FAIRSEQ,       /* bos pad eos unk, the pieces from the third on, mask */
	LOOM_SPM_XGLM,          /* the same with seven made-up words for the mask */
	LOOM_SPM_MBART,         /* the same with the codes of languages before the mask */
	LOOM_SPM_CAMEMBERT,     /* five of its own, the pieces from the first on, mask */
	LOOM_SPM_WITH_EXTRA_IDS /* the pieces, then T5's blanks */
};
enum loom_spm_around { LOOM_SPM_AROUND_NONE, LOOM_SPM_AROUND_EOS, LOOM_SPM_AROUND_ROBERTA, LOOM_SPM_AROUND_BERT,
	LOOM_SPM_AROUND_XGLM, LOOM_SPM_AROUND_MBART };

struct loom_spm_class {
	const char *name;
	bool bpe, bpe_unk; /* BPE, and with an unk_token; else Unigram */
	enum loom_spm_pieces pieces;
	enum loom_spm_around around;
	int unk_id;        /* of Unigram */
	bool finds_unk;    /* or that of the unk_token */
	const char *roles[LOOM_N_ROLE];
	const char *extra[5]; /* special tokens besides */
	bool add_bos;         /* unless the configuration says otherwise */
};

/* What MBart's vocabulary ends with, NULL-terminated; the source language is en_XX unless src_lang names another. */
extern const char *const loom_spm_languages[];
/* NULL: the class has no stages of its own. */
const struct loom_spm_class *loom_spm_class_of(const char *name);
/* Normalizer, pre-tokenizer, decoder. cls NULL: by the settings of m. */
enum loom_status loom_spm_stages(struct loom_folder *f, const struct loom_spm *m, const struct loom_spm_class *cls,
	struct loom_err *err) LOOM_MUST_CHECK;
/* The post-processor. */
enum loom_status loom_spm_around(struct loom_folder *f, const struct loom_spm_class *cls, struct loom_err *err) LOOM_MUST_CHECK;

#endif
