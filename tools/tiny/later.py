"""Families that came with later transformers, and older ones that were left."""

import transformers as tf

from . import IDS, V, Tiny, tied
from .encoders import BERT
from .mixers import decays
from .moe import correction

LLAMA = dict(vocab_size=V, hidden_size=20, intermediate_size=22, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1,
             max_position_embeddings=160, **IDS)
LATENT = dict(num_key_value_heads=5, q_lora_rank=9, kv_lora_rank=7, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5)
JAMBA = dict(hidden_size=16, num_attention_heads=4, num_key_value_heads=2, mamba_d_state=6, mamba_d_conv=3, num_hidden_layers=3,
             attn_layer_period=3, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=0, num_experts=5, num_experts_per_tok=2)


def of(name, cls="ForCausalLM", base=LLAMA, config=None, **kw):
    """name: the class names' beginning."""
    extra = {k: kw.pop(k) for k in ("edit", "weights", "tune", "dtype", "config_last", "lengths", "cache") if k in kw}
    fields = {k: v for k, v in {**base, **kw}.items() if v is not ...}
    return Tiny(lambda: getattr(tf, config or name + "Config")(**fields), getattr(tf, name + cls), **extra)


def deberta(cls, **kw):
    base = {k: v for k, v in BERT.items() if k != "type_vocab_size"} | dict(relative_attention=True, position_biased_input=False, layer_norm_eps=1e-7)
    return of("Deberta", cls, base, **{"lengths": (1, 67), **kw})


def exaone_names(t):
    """As LG wrote EXAONE 3."""
    words = (("model.embed_tokens", "transformer.wte"), ("model.layers.", "transformer.h."), ("model.norm", "transformer.ln_f"),
             ("self_attn.o_proj", "attn.attention.out_proj"), ("self_attn", "attn.attention"), ("input_layernorm", "ln_1"),
             ("post_attention_layernorm", "ln_2"), ("gate_proj", "c_fc_0"), ("up_proj", "c_fc_1"), ("down_proj", "c_proj"))
    out = {}
    for k, v in t.items():
        for a, b in words:
            k = k.replace(a, b)
        out[k] = v
    return out


def exaone_config(c):
    rope = c.pop("rope_parameters")
    return dict(architectures=["ExaoneForCausalLM"], model_type="exaone", num_layers=c["num_hidden_layers"], hidden_size=c["hidden_size"],
                num_attention_heads=c["num_attention_heads"], num_key_value_heads=c["num_key_value_heads"], head_dim=c["head_dim"],
                vocab_size=c["vocab_size"], intermediate_size=c["intermediate_size"], layer_norm_epsilon=c["rms_norm_eps"],
                activation_function="silu", max_position_embeddings=c["max_position_embeddings"], rope_theta=rope.pop("rope_theta"),
                rope_scaling=rope, tie_word_embeddings=c["tie_word_embeddings"], torch_dtype="bfloat16", embed_dropout=0.0,
                bos_token_id=256, eos_token_id=257, pad_token_id=0)


def internlm3_config(c):
    return {**{k: v for k, v in c.items() if k not in ("attention_bias", "mlp_bias")}, "architectures": ["InternLM3ForCausalLM"],
            "model_type": "internlm3", "qkv_bias": True, "bias": True}


VARIANTS = {
    "openai": of("OpenAIGPT", "LMHeadModel", dict(vocab_size=V, n_positions=160, n_embd=20, n_layer=2, n_head=5, **IDS), cache=False, lengths=(9,)),
    "jamba": of("Jamba", **JAMBA, tune=decays, lengths=(9, 67)),
    "deberta": deberta("Model", pos_att_type="c2p|p2c", max_relative_positions=-1),
    "deberta-mlm": deberta("ForMaskedLM", pos_att_type=["p2c"], max_relative_positions=12, type_vocab_size=2, position_biased_input=True,
                           lengths=(1, 30)),
    "minicpm3": of("MiniCPM3", **LATENT, scale_depth=1.2, dim_model_base=8, scale_emb=3, tie_word_embeddings=False,
                   rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=40,
                                        short_factor=[1.0, 1.2], long_factor=[1.5, 3.0])),
    "youtu": of("Youtu", **LATENT, pad_token_id=None, lengths=(9,)),  # transformers zeroes the row of padding when it loads
    "nanochat": of("NanoChat", lengths=(9,)),
    "bitnet": of("BitNet", attention_bias=True, lengths=(9,)),
    "exaone": of("Llama", head_dim=6, rms_norm_eps=1e-5, lengths=(9,), weights=exaone_names, config_last=exaone_config,
                 rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                      original_max_position_embeddings=64)),
    "internlm3": of("Llama", head_dim=6, rms_norm_eps=1e-5, attention_bias=True, mlp_bias=True, config_last=internlm3_config, lengths=(9,)),
}
H1 = dict(mamba_n_heads=4, mamba_d_ssm=24, mamba_d_head=6, mamba_n_groups=2, mamba_d_state=5, mamba_d_conv=3, mamba_chunk_size=16)
VARIANTS |= {
    "falcon_h1": of("FalconH1", **H1, key_multiplier=0.7, attention_in_multiplier=1.2, attention_out_multiplier=0.9, ssm_in_multiplier=1.3,
                    ssm_out_multiplier=0.8, embedding_multiplier=2.5, lm_head_multiplier=0.4, mlp_multipliers=[0.6, 1.4],
                    ssm_multipliers=[0.9, 0.7, 1.1, 1.3, 0.5], tune=decays, lengths=(9, 40)),
    "falcon_h1-normed": of("FalconH1", **H1, mamba_rms_norm=True, mamba_norm_before_gate=True, attention_bias=True, mlp_bias=True, tune=decays,
                           lengths=(9,)),
}
AFMOE = dict(head_dim=6, moe_intermediate_size=9, num_hidden_layers=3, num_dense_layers=1, num_experts=5, num_experts_per_tok=2, num_shared_experts=1,
             global_attn_every_n_layers=2, sliding_window=7, mup_enabled=True, route_scale=1.7)
VARIANTS |= {
    "afmoe": of("Afmoe", **AFMOE, tune=correction, lengths=(9, 30)),
    "modernbert_decoder": of("ModernBertDecoder", base={k: v for k, v in BERT.items() if k != "type_vocab_size"}, local_attention=14,
                             num_hidden_layers=3, norm_bias=True, tie_word_embeddings=True, config="ModernBertDecoderConfig",
                             lengths=(9, 30)),
}
VARIANTS = tied(VARIANTS, ("exaone", "internlm3", "nanochat", "jamba", "bitnet", "afmoe"))
