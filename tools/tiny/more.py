"""Experts, delta rules and encoders of later families."""
import transformers as tf

from . import IDS, V, Tiny, tied
from .encoders import BERT
from .mixers import decays
from .moe import correction

BASE = dict(vocab_size=V, hidden_size=20, intermediate_size=14, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1, head_dim=6,
            max_position_embeddings=160, moe_intermediate_size=9, tie_word_embeddings=True, **IDS)
ROUTER = dict(n_routed_experts=6, num_experts_per_tok=2, n_group=3, topk_group=2, n_shared_experts=1)
LATENT = dict(num_key_value_heads=5, q_lora_rank=9, kv_lora_rank=7, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=5)
DELTA = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6, linear_value_head_dim=5, head_dim=16, intermediate_size=14,
             layer_types=["linear_attention", "full_attention", "linear_attention"], num_attention_heads=3)

NO_HEADS = {k: ... for k in ("intermediate_size", "num_attention_heads", "num_key_value_heads", "moe_intermediate_size", "max_position_embeddings")}
BAMBA = dict(mamba_n_heads=8, mamba_n_groups=2, mamba_d_state=6, mamba_chunk_size=16, moe_intermediate_size=...)
NEMOTRON = dict(mamba_num_heads=4, mamba_head_dim=7, n_groups=2, ssm_state_size=6, chunk_size=16, num_hidden_layers=...,
                layers_block_type=["linear_attention", "mlp", "full_attention", "moe"])


def letters(cfg):
    """As NVIDIA wrote it."""
    kinds = cfg.pop("layers_block_type", None) or cfg.pop("layer_types")
    cfg.pop("layer_types", None)
    letter = {"linear_attention": "M", "mamba": "M", "mlp": "-", "full_attention": "*", "attention": "*", "moe": "E"}
    return {**cfg, "num_hidden_layers": len(kinds), "hybrid_override_pattern": "".join(letter[k] for k in kinds)}


def of(config, cls, tune=correction, edit=None, weights=None, cache=True, **kw):
    base = {k: v for k, v in {**BASE, **kw}.items() if v is not ...}
    return Tiny(lambda: getattr(tf, config)(**base), getattr(tf, cls), lengths=(9 if tune == decays else 2, 67), tune=tune, edit=edit,
                weights=weights, cache=cache)


def sinusoids(model):
    """RoFormer's table of angles is a parameter that nobody trains."""
    table = model.roformer.encoder.embed_positions
    table.weight.data = table.create_weight()


def bert(name, cls, tune=None, dtype="bfloat16", **kw):
    return Tiny(lambda: getattr(tf, name + "Config")(**{**BERT, **kw}), getattr(tf, name + cls), lengths=(1, 67), tune=tune, dtype=dtype)


def xlm(config, cls, **kw):
    base = dict(vocab_size=V, emb_dim=20, n_layers=2, n_heads=5, max_position_embeddings=170, pad_token_id=259, mask_token_id=258, bos_token_id=256,
                eos_token_id=257)
    return Tiny(lambda: getattr(tf, config)(**base, **kw), getattr(tf, cls), lengths=(1, 67))


VARIANTS = {
    "lfm2_moe": of("Lfm2MoeConfig", "Lfm2MoeForCausalLM", head_dim=..., hidden_size=16, num_attention_heads=4, num_key_value_heads=2,
                   layer_types=["conv", "full_attention", "conv"], num_experts=5, num_experts_per_tok=2, num_dense_layers=1),
    "lfm2_moe-plain": of("Lfm2MoeConfig", "Lfm2MoeForCausalLM", head_dim=..., hidden_size=16, num_attention_heads=4, num_key_value_heads=2,
                         num_hidden_layers=2, layer_types=["full_attention", "conv"], num_experts=3, num_experts_per_tok=2, num_dense_layers=0,
                         use_expert_bias=False, norm_topk_prob=False, routed_scaling_factor=1.5),
    "dots1": of("Dots1Config", "Dots1ForCausalLM", **ROUTER, first_k_dense_replace=1, norm_topk_prob=True, max_window_layers=2, sliding_window=9,
                edit=lambda c: {k: v for k, v in c.items() if k != "layer_types"}),
    "hunyuan_v1_moe": of("HunYuanMoEV1Config", "HunYuanMoEV1ForCausalLM", num_experts=5, moe_topk=2, num_hidden_layers=2,
                         edit=lambda c: {**c, "moe_topk": [2, 2]}),
    "ernie4_5_moe": of("Ernie4_5_MoeConfig", "Ernie4_5_MoeForCausalLM", head_dim=..., num_hidden_layers=4, moe_num_experts=5, moe_k=2,
                       moe_num_shared_experts=2, moe_layer_end_index=2, num_attention_heads=5, hidden_size=20),
    "glm4_moe_lite": of("Glm4MoeLiteConfig", "Glm4MoeLiteForCausalLM", **{**LATENT, **ROUTER, "head_dim": ...}, num_hidden_layers=2),
    "minimax_m2": of("MiniMaxM2Config", "MiniMaxM2ForCausalLM", moe_intermediate_size=..., num_local_experts=5, num_experts_per_tok=2, num_hidden_layers=2,
                     rope_parameters=dict(rope_type="default", rope_theta=10000.0, partial_rotary_factor=2 / 3)),
    "exaone_moe": of("ExaoneMoeConfig", "ExaoneMoeForCausalLM", num_experts=6, num_experts_per_tok=2, n_group=3, topk_group=2, sliding_window=9,
                     sliding_window_pattern=3),
    "solar_open": of("SolarOpenConfig", "SolarOpenForCausalLM", **ROUTER, intermediate_size=..., num_hidden_layers=2),
    "flex_olmo": of("FlexOlmoConfig", "FlexOlmoForCausalLM", head_dim=..., moe_intermediate_size=..., num_experts=5, num_experts_per_tok=2,
                    num_hidden_layers=2, num_key_value_heads=5),
    "qwen3_5": of("Qwen3_5TextConfig", "Qwen3_5ForCausalLM", tune=decays, **DELTA, moe_intermediate_size=...),
    "qwen3_5_moe": of("Qwen3_5MoeTextConfig", "Qwen3_5MoeForCausalLM", tune=decays, **{**DELTA, "intermediate_size": ..., "layer_types": DELTA["layer_types"][:2]},
                      num_hidden_layers=2, num_experts=4,
                      num_experts_per_tok=2, shared_expert_intermediate_size=8),
    "mamba2": of("Mamba2Config", "Mamba2ForCausalLM", tune=decays, num_heads=8, head_dim=5, n_groups=2, state_size=7, num_hidden_layers=2, chunk_size=16,
                 **NO_HEADS),
    "mamba2-plain": of("Mamba2Config", "Mamba2ForCausalLM", tune=decays, num_heads=4, head_dim=10, n_groups=1, state_size=6, num_hidden_layers=2,
                       chunk_size=16, use_bias=True, use_conv_bias=False, conv_kernel=3, **NO_HEADS),
    "bamba": of("BambaConfig", "BambaForCausalLM", tune=decays, **BAMBA, attn_layer_indices=[1], cache=False, head_dim=..., num_attention_heads=5),
    "granitemoehybrid": of("GraniteMoeHybridConfig", "GraniteMoeHybridForCausalLM", tune=decays, **BAMBA, head_dim=..., num_local_experts=4,
                           num_experts_per_tok=2, shared_intermediate_size=12, layer_types=["linear_attention", "full_attention", "linear_attention"],
                           position_embedding_type="nope", residual_multiplier=0.4, attention_multiplier=0.3, embedding_multiplier=3.0,
                           logits_scaling=2.0),
    "granitemoehybrid-dense": of("GraniteMoeHybridConfig", "GraniteMoeHybridForCausalLM", tune=decays, **BAMBA, head_dim=..., num_local_experts=0,
                                 num_experts_per_tok=0, shared_intermediate_size=12, num_hidden_layers=2, position_embedding_type="rope",
                                 layer_types=["full_attention", "linear_attention"]),
    "nemotron_h": of("NemotronHConfig", "NemotronHForCausalLM", tune=decays, **NEMOTRON, n_routed_experts=5, num_experts_per_tok=2,
                     moe_shared_expert_intermediate_size=8),
    "nemotron_h-old": of("NemotronHConfig", "NemotronHForCausalLM", tune=decays, **NEMOTRON, n_routed_experts=4,
                         num_experts_per_tok=2, moe_shared_expert_intermediate_size=8, edit=letters),
    "megatron_bert": bert("MegatronBert", "ForMaskedLM"),
    "roberta_prelayernorm": bert("RobertaPreLayerNorm", "ForMaskedLM", pad_token_id=1),
    "xlm_roberta_xl": bert("XLMRobertaXL", "Model", pad_token_id=1, type_vocab_size=1),
    "roformer": bert("RoFormer", "ForMaskedLM", embedding_size=12, tune=sinusoids, dtype="float32"),
    "xlm": xlm("XLMConfig", "XLMModel"),
    "flaubert": xlm("FlaubertConfig", "FlaubertModel", gelu_activation=False, sinusoidal_embeddings=True),
    "data2vec-text": bert("Data2VecText", "Model", pad_token_id=1, type_vocab_size=1),
}
