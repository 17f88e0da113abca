/* blocks.c: the block programs. See blocks.h. */
#include "blocks.h"

#define NONE LOOM_SLOT_NONE
#define TAP(s) {LOOM_STEP_TAP, LOOM_SITE_##s, 0, NONE, NONE, NONE}
#define TAP_AT(s, slot) {LOOM_STEP_TAP, LOOM_SITE_##s, 0, LOOM_SLOT_##slot, NONE, NONE}
#define NORM(role, from, to) {LOOM_STEP_NORM, 0, LOOM_ROLE_##role, LOOM_SLOT_##from, NONE, LOOM_SLOT_##to}
#define FROM(kind, slot) {LOOM_STEP_##kind, 0, 0, LOOM_SLOT_##slot, NONE, NONE}
#define TO(kind, slot) {LOOM_STEP_##kind, 0, 0, NONE, NONE, LOOM_SLOT_##slot}
#define ADD(x, y, to) {LOOM_STEP_ADD, 0, 0, LOOM_SLOT_##x, LOOM_SLOT_##y, LOOM_SLOT_##to}
#define STEP(s) {LOOM_STEP_##s, 0, 0, NONE, NONE, NONE}

/* From the stream to what the heads give: the same in every shape. */
#define ATTEND_FROM(slot) \
	FROM(QKV, slot), STEP(CLIP), STEP(QK_NORM), STEP(ROTATE), STEP(TEMPER), TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), \
	TAP(ATTN_HEADS), \
	TAP(ATTN_PROBS), TO(PROJECT, SUB)
#define FROM_TO(kind, slot, to) {LOOM_STEP_##kind, 0, 0, LOOM_SLOT_##slot, NONE, LOOM_SLOT_##to}
#define MOE_FROM(slot, to) FROM(ROUTE, slot), TAP(ROUTER), FROM_TO(EXPERTS, slot, to), FROM_TO(SHARED, slot, to)
#define FFN_FROM(slot, to) FROM(FFN, slot), TAP(MLP_ACT), TO(DOWN, to)

/* Llama, Mistral, Qwen, GPT-2. */
static const struct loom_step pre_norm[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), FROM(SCALE, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), FROM(SCALE, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_POST), STEP(END)};

/* BERT: the norm stands on the stream, after each addition. */
static const struct loom_step post_norm[] = {
	TAP(RESID_PRE), ATTEND_FROM(RESID), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), NORM(ATTN_NORM, RESID, RESID), TAP(RESID_MID),
	FFN_FROM(RESID, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), NORM(MLP_NORM, RESID, RESID), TAP(RESID_POST), STEP(END)};

/* GPT-J, Phi, Falcon: one norm, read by both; (attention + feed-forward) + stream. */
static const struct loom_step parallel[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), TAP(ATTN_OUT), FFN_FROM(X, SUB2),
	TAP_AT(MLP_OUT, SUB2), ADD(SUB, SUB2, SUB), ADD(SUB, RESID, RESID), TAP(RESID_POST), STEP(END)};

/* GPT-NeoX, Falcon 40B: a norm for each. */
static const struct loom_step parallel_two_norms[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), TAP(ATTN_OUT), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM),
	FFN_FROM(X, SUB2), TAP_AT(MLP_OUT, SUB2), ADD(SUB, SUB2, SUB), ADD(SUB, RESID, RESID), TAP(RESID_POST), STEP(END)};

/* Gemma 2 and 3, GLM-4: norms before and after each sub-layer. */
static const struct loom_step sandwich[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), NORM(ATTN_POST_NORM, SUB, SUB), FROM(SCALE, SUB),
	TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB),
	NORM(MLP_POST_NORM, SUB, SUB), FROM(SCALE, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};

/* OLMo 2, EXAONE 4: norms after each sub-layer only. */
static const struct loom_step post_sublayer[] = {
	TAP(RESID_PRE), ATTEND_FROM(RESID), NORM(ATTN_POST_NORM, SUB, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID),
	FFN_FROM(RESID, SUB), NORM(MLP_POST_NORM, SUB, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};

/* Hunyuan: queries and keys are normed after they are rotated. */
static const struct loom_step pre_norm_rotate_first[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), FROM(QKV, X), STEP(ROTATE), STEP(QK_NORM), TAP(Q), TAP(K), TAP(V),
	STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_HEADS), TAP(ATTN_PROBS), TO(PROJECT, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_POST), STEP(END)};

/* BLOOM's option: the normed stream is what is added to. */
static const struct loom_step pre_norm_on_norm[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), TAP(ATTN_OUT), ADD(X, SUB, RESID), TAP(RESID_MID),
	NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), TAP(MLP_OUT), ADD(X, SUB, RESID), TAP(RESID_POST), STEP(END)};

/* Mixtral and the other mixtures of experts. */
static const struct loom_step pre_norm_moe[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), ATTEND_FROM(X), FROM(SCALE, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), FROM(SCALE, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_POST), STEP(END)};

/* OLMoE: clipping after the norms of queries and keys. */
static const struct loom_step pre_norm_moe_clip_last[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), FROM(QKV, X), STEP(QK_NORM), STEP(CLIP), STEP(ROTATE), TAP(Q), TAP(K),
	TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_HEADS), TAP(ATTN_PROBS), TO(PROJECT, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST),
	STEP(END)};

/* Hunyuan's experts. */
static const struct loom_step pre_norm_rotate_first_moe[] = {
	TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM), FROM(QKV, X), STEP(ROTATE), STEP(QK_NORM), TAP(Q), TAP(K), TAP(V),
	STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_HEADS), TAP(ATTN_PROBS), TO(PROJECT, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID),
	TAP(RESID_POST), STEP(END)};

/* FlexOlmo: OLMo 2 with experts. */
static const struct loom_step post_sublayer_moe[] = {
	TAP(RESID_PRE), ATTEND_FROM(RESID), NORM(ATTN_POST_NORM, SUB, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID),
	MOE_FROM(RESID, SUB), NORM(MLP_POST_NORM, SUB, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};

/* Another mixer than attention, then what stands in the block's second half. */
#define MIXER_FROM(kind, slot) FROM_TO(kind, slot, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID)
#define BEGIN TAP(RESID_PRE), NORM(ATTN_NORM, RESID, X), TAP(ATTN_NORM)
#define HEADS_FROM(slot) \
	TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_HEADS), TAP(ATTN_PROBS), TO(PROJECT, SUB), FROM(SCALE, SUB), TAP(ATTN_OUT), \
	ADD(RESID, SUB, RESID), TAP(RESID_MID)
#define GATED_FROM(slot) \
	FROM(QKV, slot), STEP(QK_NORM), STEP(ROTATE), TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_PROBS), \
	FROM(GATE_HEADS, slot), TAP(ATTN_HEADS), TO(PROJECT, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID)
#define END_FFN NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)
#define END_MOE NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)

/* DeepSeek: latent attention. */
static const struct loom_step latent[] = {
	BEGIN, FROM(LATENT, X), HEADS_FROM(X), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), FROM(SCALE, SUB), TAP(MLP_OUT),
	ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
static const struct loom_step latent_moe[] = {BEGIN, FROM(LATENT, X), HEADS_FROM(X), END_MOE};
/* LFM2's convolutions. */
static const struct loom_step short_conv[] = {BEGIN, MIXER_FROM(SHORT_CONV, X), END_FFN};
static const struct loom_step short_conv_moe[] = {BEGIN, MIXER_FROM(SHORT_CONV, X), END_MOE};
/* Mamba: a mixer and nothing else. */
static const struct loom_step scan[] = {BEGIN, FROM_TO(SCAN, X, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
/* Mamba 2, and hybrids where what attention would be is a scan. */
#define MIXER_SCALED(kind) FROM_TO(kind, X, SUB), FROM(SCALE, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID)
#define SCALED_FFN \
	NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), FROM(SCALE, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)
#define SCALED_MOE \
	NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), FROM(SCALE, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)
static const struct loom_step scan_heads[] = {
	BEGIN, FROM_TO(SCAN_HEADS, X, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
static const struct loom_step scan_heads_ffn[] = {BEGIN, MIXER_SCALED(SCAN_HEADS), SCALED_FFN};
static const struct loom_step scan_heads_moe[] = {BEGIN, MIXER_SCALED(SCAN_HEADS), SCALED_MOE};
static const struct loom_step scan_ffn[] = {BEGIN, MIXER_FROM(SCAN, X), END_FFN};
static const struct loom_step scan_moe[] = {BEGIN, MIXER_FROM(SCAN, X), END_MOE};
/* Nemotron-H: a layer is one sub-layer. */
static const struct loom_step attend_only[] = {
	BEGIN, ATTEND_FROM(X), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
static const struct loom_step ffn_only[] = {
	TAP(RESID_PRE), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FFN_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
static const struct loom_step moe_only[] = {
	TAP(RESID_PRE), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), MOE_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};
/* Qwen3-Next: three layers of the gated delta rule, one of attention behind a gate. */
static const struct loom_step delta[] = {BEGIN, MIXER_FROM(DELTA, X), END_FFN};
static const struct loom_step delta_moe[] = {BEGIN, MIXER_FROM(DELTA, X), END_MOE};
static const struct loom_step gated[] = {BEGIN, GATED_FROM(X), END_FFN};
static const struct loom_step gated_moe[] = {BEGIN, GATED_FROM(X), END_MOE};

/* AFMoE: a gate behind the heads, norms before and after each sub-layer. */
#define GATED_SANDWICH \
	BEGIN, FROM(QKV, X), STEP(QK_NORM), STEP(ROTATE), TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_PROBS), FROM(GATE_HEADS, X), \
	TAP(ATTN_HEADS), TO(PROJECT, SUB), NORM(ATTN_POST_NORM, SUB, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID), \
	NORM(MLP_NORM, RESID, X), TAP(MLP_NORM)
#define END_SANDWICH NORM(MLP_POST_NORM, SUB, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)
static const struct loom_step gated_sandwich[] = {GATED_SANDWICH, FFN_FROM(X, SUB), END_SANDWICH};
static const struct loom_step gated_sandwich_moe[] = {GATED_SANDWICH, MOE_FROM(X, SUB), END_SANDWICH};

const struct loom_block loom_block_gated_sandwich = {"gated_sandwich", gated_sandwich};
const struct loom_block loom_block_gated_sandwich_moe = {"gated_sandwich_moe", gated_sandwich_moe};
/* BitNet: norms also before the two products back to the stream. */
static const struct loom_step pre_norm_inner[] = {
	BEGIN, FROM(QKV, X), STEP(QK_NORM), STEP(ROTATE), TAP(Q), TAP(K), TAP(V), STEP(KV_STORE), STEP(ATTEND), TAP(ATTN_PROBS),
	NORM(ATTN_SUB_NORM, HEADS, HEADS), TAP(ATTN_HEADS), TO(PROJECT, SUB), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID),
	NORM(MLP_NORM, RESID, X), TAP(MLP_NORM), FROM(FFN, X), NORM(MLP_SUB_NORM, ACT, ACT), TAP(MLP_ACT), TO(DOWN, SUB), TAP(MLP_OUT),
	ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};

/* Falcon-H1: a scan and attention read the same norm, and both are added. */
static const struct loom_step scan_beside[] = {
	BEGIN, FROM_TO(SCAN_HEADS, X, SUB2), FROM(SCALE_SCAN, SUB2), FROM(SCALE_IN, X), ATTEND_FROM(X), FROM(SCALE_OUT, SUB), ADD(SUB2, SUB, SUB),
	TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID), END_FFN};

const struct loom_block loom_block_scan_beside = {"scan_beside", scan_beside};
const struct loom_block loom_block_pre_norm_inner = {"pre_norm_inner", pre_norm_inner};
const struct loom_block loom_block_latent = {"latent", latent};
const struct loom_block loom_block_latent_moe = {"latent_moe", latent_moe};
const struct loom_block loom_block_short_conv = {"short_conv", short_conv};
const struct loom_block loom_block_short_conv_moe = {"short_conv_moe", short_conv_moe};
const struct loom_block loom_block_scan = {"scan", scan};
const struct loom_block loom_block_scan_heads = {"scan_heads", scan_heads};
const struct loom_block loom_block_scan_heads_ffn = {"scan_heads_ffn", scan_heads_ffn};
const struct loom_block loom_block_scan_heads_moe = {"scan_heads_moe", scan_heads_moe};
const struct loom_block loom_block_scan_ffn = {"scan_ffn", scan_ffn};
const struct loom_block loom_block_scan_moe = {"scan_moe", scan_moe};
const struct loom_block loom_block_attend_only = {"attend_only", attend_only};
const struct loom_block loom_block_ffn_only = {"ffn_only", ffn_only};
const struct loom_block loom_block_moe_only = {"moe_only", moe_only};
const struct loom_block loom_block_delta = {"delta", delta};
const struct loom_block loom_block_delta_moe = {"delta_moe", delta_moe};
const struct loom_block loom_block_gated = {"gated", gated};
const struct loom_block loom_block_gated_moe = {"gated_moe", gated_moe};
const struct loom_block loom_block_pre_norm_moe_clip_last = {"pre_norm_moe_clip_last", pre_norm_moe_clip_last};
const struct loom_block loom_block_pre_norm_moe = {"pre_norm_moe", pre_norm_moe};
/* ModernBERT's first layer: pre-norm, but attention reads the stream, which has just been normed. */
static const struct loom_step pre_norm_bare[] = {
	TAP(RESID_PRE), ATTEND_FROM(RESID), TAP(ATTN_OUT), ADD(RESID, SUB, RESID), TAP(RESID_MID), NORM(MLP_NORM, RESID, X), TAP(MLP_NORM),
	FFN_FROM(X, SUB), TAP(MLP_OUT), ADD(RESID, SUB, RESID), TAP(RESID_POST), STEP(END)};

const struct loom_block loom_block_pre_norm = {"pre_norm", pre_norm};
const struct loom_block loom_block_pre_norm_rotate_first = {"pre_norm_rotate_first", pre_norm_rotate_first};
const struct loom_block loom_block_pre_norm_on_norm = {"pre_norm_on_norm", pre_norm_on_norm};
const struct loom_block loom_block_post_norm = {"post_norm", post_norm};
const struct loom_block loom_block_parallel = {"parallel", parallel};
const struct loom_block loom_block_parallel_two_norms = {"parallel_two_norms", parallel_two_norms};
const struct loom_block loom_block_sandwich = {"sandwich", sandwich};
const struct loom_block loom_block_post_sublayer = {"post_sublayer", post_sublayer};
const struct loom_block loom_block_pre_norm_bare = {"pre_norm_bare", pre_norm_bare};
const struct loom_block loom_block_pre_norm_rotate_first_moe = {"pre_norm_rotate_first_moe", pre_norm_rotate_first_moe};
const struct loom_block loom_block_post_sublayer_moe = {"post_sublayer_moe", post_sublayer_moe};

static const char *const slot_words[LOOM_N_SLOT] = {
#define X(id, word) word,
	LOOM_SLOT_LIST(X)
#undef X
};
static const struct {
	const char *word, *operands;
} step_words[LOOM_N_STEP] = {
#define X(id, word, operands) [LOOM_STEP_##id] = {word, operands},
	LOOM_STEP_LIST(X)
#undef X
};

const char *loom_slot_name(enum loom_slot s)
{
	return s >= 0 && s < LOOM_N_SLOT ? slot_words[s] : "?";
}

const char *loom_step_name(enum loom_step_kind k)
{
	return k > LOOM_STEP_END && k < LOOM_N_STEP ? step_words[k].word : "?";
}

const char *loom_step_operands(enum loom_step_kind k)
{
	return k > LOOM_STEP_END && k < LOOM_N_STEP ? step_words[k].operands : "";
}
