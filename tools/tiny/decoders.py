"""Dense decoders: one entry for each form that a config.json of the family can select."""
import transformers as tf

from . import IDS, V, Tiny, tied

# the usual names; head_dim is not hidden / heads
LLAMA = dict(vocab_size=V, hidden_size=20, intermediate_size=22, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1,
             head_dim=10, max_position_embeddings=160, **IDS)
EVEN = {**LLAMA, "hidden_size": 24, "num_attention_heads": 3, "num_key_value_heads": 3}  # heads of 8 = hidden / heads
del EVEN["head_dim"]
GPT = dict(vocab_size=V, n_embd=24, n_layer=2, n_head=3, n_positions=160, **IDS)


def of(name, base, **kw):
    """name: the class names' beginning."""
    cfg = getattr(tf, kw.pop("config", name + "Config"))
    cls = getattr(tf, kw.pop("cls", name + "ForCausalLM"))
    tiny = {k: kw.pop(k) for k in ("edit", "weights", "lengths", "attn", "tune", "dtype", "shards") if k in kw}
    return Tiny(lambda: cfg(**{**base, **kw}), cls, **tiny)


def gemma3_old(cfg):
    """As transformers 4 wrote it: the two thetas and the pattern instead of ropes and layer types."""
    ropes = cfg.pop("rope_parameters")
    cfg["rope_theta"] = ropes["full_attention"]["rope_theta"]
    cfg["rope_local_base_freq"] = ropes["sliding_attention"]["rope_theta"]
    scaling = {k: v for k, v in ropes["full_attention"].items() if k != "rope_theta"}
    cfg["rope_scaling"] = scaling if scaling["rope_type"] != "default" else None
    cfg["sliding_window_pattern"] = cfg.pop("_sliding_window_pattern", 6)
    cfg.pop("layer_types", None)
    return cfg


GEMMA2 = {**LLAMA, "num_hidden_layers": 2, "sliding_window": 7, "query_pre_attn_scalar": 12, "num_key_value_heads": 1}
GEMMA3 = {**GEMMA2, "num_hidden_layers": 3, "sliding_window_pattern": 3,
          "rope_parameters": {"full_attention": dict(rope_type="default", rope_theta=100000.0),
                              "sliding_attention": dict(rope_type="default", rope_theta=500.0)}}
GEMMA3_LINEAR = {"full_attention": dict(rope_type="linear", factor=4.0, rope_theta=100000.0),
                 "sliding_attention": dict(rope_type="default", rope_theta=500.0)}
PHI3_LONG = dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.2, 1.5], long_factor=[1.5, 2.0, 3.0, 4.0])
PART = dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.5)
OPT = dict(vocab_size=V, hidden_size=24, num_hidden_layers=2, ffn_dim=26, max_position_embeddings=160, num_attention_heads=3,
           word_embed_proj_dim=24, **IDS)
FALCON = dict(vocab_size=V, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=160, ffn_hidden_size=26,
              **IDS)
MPT = dict(vocab_size=V, d_model=20, n_heads=5, n_layers=2, max_seq_len=160, **IDS)
SMALL_LLAMA3 = dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=64)

TEMPER = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=20, beta_fast=32.0, beta_slow=1.0,
              mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3)

VARIANTS = {
    "gemma": of("Gemma", LLAMA),
    "gemma2": of("Gemma2", GEMMA2, query_pre_attn_scalar=10),
    "gemma2-uncapped": of("Gemma2", {**GEMMA2, "attn_logit_softcapping": None, "final_logit_softcapping": None, "attention_bias": True}),
    "gemma3": of("Gemma3", GEMMA3, config="Gemma3TextConfig"),
    "gemma3-old": of("Gemma3", {**GEMMA3, "rope_parameters": GEMMA3_LINEAR, "query_pre_attn_scalar": 10}, config="Gemma3TextConfig", edit=gemma3_old),
    "gemma3-both-ways": of("Gemma3", {**GEMMA3, "use_bidirectional_attention": True}, config="Gemma3TextConfig", cls="Gemma3TextModel"),
    "phi3": of("Phi3", EVEN, num_key_value_heads=1),
    "phi3-window": of("Phi3", EVEN, sliding_window=7, rope_parameters=PART),
    "phi3-longrope": of("Phi3", EVEN, original_max_position_embeddings=40, rope_parameters=PHI3_LONG),
    "phi": of("Phi", EVEN, rope_parameters=PART),
    "phi-norms": of("Phi", EVEN, rope_parameters=PART, qk_layernorm=True, num_key_value_heads=1),
    "gpt_neox": of("GPTNeoX", EVEN, rope_parameters=PART),
    "gpt_neox-sequential": of("GPTNeoX", EVEN, rope_parameters=PART, use_parallel_residual=False, attention_bias=False,
                              edit=lambda c: {**{k: v for k, v in c.items() if k != "rope_parameters"}, "rotary_pct": 0.5,
                                              "rotary_emb_base": 10000}),
    "gptj": of("GPTJ", GPT, rotary_dim=4, n_inner=26),
    "codegen": of("CodeGen", {**GPT, "n_embd": 24, "n_head": 4, "n_inner": 26}, rotary_dim=4),
    "gpt_neo": of("GPTNeo", dict(vocab_size=V, hidden_size=24, num_layers=2, attention_types=[[["global", "local"], 1]], num_heads=3,
                                 window_size=7, max_position_embeddings=160, intermediate_size=26, **IDS)),
    "gpt_neo-old": of("GPTNeo", dict(vocab_size=V, hidden_size=24, num_layers=2, attention_types=[[["local", "global"], 1]], num_heads=3,
                                     window_size=5, max_position_embeddings=160, intermediate_size=26, **IDS),
                      edit=lambda c: {k: v for k, v in c.items() if k != "attention_layers"}),
    "gpt_bigcode": of("GPTBigCode", GPT, n_inner=26),
    "gpt_bigcode-heads": of("GPTBigCode", GPT, n_inner=26, multi_query=False),
    "ministral3": of("Ministral3", LLAMA, num_key_value_heads=1, rope_parameters=TEMPER),
    "opt": of("OPT", OPT),
    "opt-350m": of("OPT", OPT, do_layer_norm_before=False, word_embed_proj_dim=20),
    "opt-plain": of("OPT", OPT, enable_bias=False, layer_norm_elementwise_affine=False, activation_function="gelu"),
    "bloom": of("Bloom", dict(vocab_size=V, hidden_size=20, n_layer=2, n_head=5, **IDS)),
    "bloom-on-norm": of("Bloom", dict(vocab_size=V, hidden_size=24, n_layer=2, n_head=3, apply_residual_connection_post_layernorm=True,
                                      **IDS)),
    "mpt": of("Mpt", MPT),
    "mpt-clip": of("Mpt", MPT, attn_config=dict(clip_qkv=0.7, softmax_scale=0.4), n_heads=2),
    "falcon-7b": of("Falcon", FALCON),
    "falcon-40b": of("Falcon", FALCON, new_decoder_architecture=True, num_attention_heads=4, num_kv_heads=2),
    "falcon-11b": of("Falcon", FALCON, new_decoder_architecture=True, num_attention_heads=4, num_kv_heads=1, num_ln_in_parallel_attn=1),
    "falcon-rw": of("Falcon", FALCON, alibi=True, multi_query=False, parallel_attn=False, bias=True, attn="sdpa"),
    "stablelm": of("StableLm", EVEN, rope_parameters=PART, num_key_value_heads=1, use_qkv_bias=True),
    "stablelm-parallel": of("StableLm", EVEN, rope_parameters=PART, use_parallel_residual=True, qk_layernorm=True),
    "starcoder2": of("Starcoder2", EVEN, num_key_value_heads=1, sliding_window=7),
    "starcoder2-plain": of("Starcoder2", EVEN, use_bias=False, tie_word_embeddings=False),
    "olmo": of("Olmo", EVEN, num_key_value_heads=1),
    "olmo-clip": of("Olmo", EVEN, clip_qkv=0.6, tie_word_embeddings=True),
    "olmo2": of("Olmo2", EVEN, num_key_value_heads=1),
    "olmo3": of("Olmo3", EVEN, num_hidden_layers=4, sliding_window=7, rope_parameters={
        "sliding_attention": dict(rope_type="default", rope_theta=500.0),
        "full_attention": dict(rope_type="yarn", rope_theta=500.0, factor=4.0, original_max_position_embeddings=40)}),
    "cohere": of("Cohere", EVEN, num_key_value_heads=1),
    "cohere-norms": of("Cohere", EVEN, use_qk_norm=True, attention_bias=True),
    "cohere2": of("Cohere2", LLAMA, num_hidden_layers=4, sliding_window=7),
    "granite": of("Granite", EVEN, num_key_value_heads=1, embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.4,
                  logits_scaling=2.5, attention_bias=True, mlp_bias=True),
    "glm": of("Glm", {**LLAMA, "head_dim": 12}),
    "glm4": of("Glm4", {**LLAMA, "head_dim": 12}, attention_bias=False),
    "smollm3": of("SmolLM3", EVEN, num_key_value_heads=1, num_hidden_layers=4),
    "smollm3-window": of("SmolLM3", EVEN, num_key_value_heads=1, no_rope_layers=[0, 1], use_sliding_window=True, sliding_window=7,
                         layer_types=["full_attention", "sliding_attention"], attention_bias=True),
    "exaone4": of("Exaone4", LLAMA, num_hidden_layers=4, sliding_window=7),
    "exaone4-full": of("Exaone4", LLAMA, sliding_window=None, layer_types=["full_attention"] * 2),
    "nemotron": of("Nemotron", LLAMA, head_dim=12, attention_bias=True, mlp_bias=True),
    "ernie4_5": of("Ernie4_5", LLAMA),
    "ernie4_5-biases": of("Ernie4_5", LLAMA, use_bias=True, tie_word_embeddings=False),
    "hunyuan_v1_dense": of("HunYuanDenseV1", LLAMA, rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, alpha=50.0, factor=1.0)),
    "hunyuan_v1_dense-plain": of("HunYuanDenseV1", LLAMA, attention_bias=True),
    "persimmon": of("Persimmon", EVEN, rope_parameters=PART),
    "persimmon-plain": of("Persimmon", EVEN, rope_parameters=PART, qk_layernorm=False),
    "biogpt": of("BioGpt", EVEN, hidden_act="gelu_new"),
    "biogpt-unscaled": of("BioGpt", EVEN, scale_embedding=False),
    "xglm": of("XGLM", dict(vocab_size=V, d_model=24, ffn_dim=26, num_layers=2, attention_heads=3, max_position_embeddings=160,
                            **{**IDS, "pad_token_id": 1})),
    "seed_oss": of("SeedOss", LLAMA),
    "seed_oss-biases": of("SeedOss", LLAMA, attention_out_bias=True, mlp_bias=True, attention_bias=False),
    "helium": of("Helium", {**LLAMA, "hidden_size": 30, "head_dim": 6}, attention_bias=True, mlp_bias=True),
    "arcee": of("Arcee", LLAMA),
    "apertus": of("Apertus", EVEN, rope_parameters=SMALL_LLAMA3, num_key_value_heads=1),
    "ministral": of("Ministral", LLAMA, sliding_window=7, layer_types=["sliding_attention", "full_attention"]),
    "jais2": of("Jais2", LLAMA),
    "cwm": of("Cwm", LLAMA, sliding_window=7, layer_types=["full_attention", "sliding_attention"], rope_parameters=SMALL_LLAMA3),
    "vaultgemma": of("VaultGemma", GEMMA2),
    "hyperclovax": of("HyperCLOVAX", LLAMA, embedding_multiplier=3.0, attention_multiplier=0.2, residual_multiplier=0.4, logits_scaling=2.5),
    "hyperclovax-plain": of("HyperCLOVAX", LLAMA, use_post_norm=False, tie_word_embeddings=True),
}
VARIANTS = tied(VARIANTS, "nemotron persimmon seed_oss helium arcee apertus jais2 cwm vaultgemma hyperclovax exaone4 smollm3 granite glm glm4 "
                "ernie4_5 hunyuan_v1_dense ministral3 olmo olmo3 stablelm starcoder2 cohere2 gpt_neox phi3".split())
