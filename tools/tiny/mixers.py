"""Latent attention, state spaces, convolutions, delta rules."""
import torch
import transformers as tf

from . import IDS, V, old_style, tied
from .moe import correction, moe

BASE = dict(vocab_size=V, hidden_size=24, num_hidden_layers=3, **IDS)
LATENT = dict(num_key_value_heads=6, q_lora_rank=14, kv_lora_rank=10, qk_nope_head_dim=6, qk_rope_head_dim=8, v_head_dim=5,
              moe_intermediate_size=10)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64, mscale=0.8, mscale_all_dim=0.6)
DELTA = dict(linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=6, head_dim=16,
             num_experts=4, num_experts_per_tok=2, moe_intermediate_size=10, shared_expert_intermediate_size=12)


def decays(model):
    """State decays as trained models have them, so that states neither die at once nor grow."""
    correction(model)
    for name, p in model.named_parameters():
        if name.endswith("A_log"):
            p.data = torch.log(torch.rand_like(p) * 4 + 0.1)
        elif "dt_proj.bias" in name or name.endswith("dt_bias"):
            p.data = torch.randn_like(p) - 1


def mixer(config, cls, **kw):
    base = {k: v for k, v in BASE.items()}
    return moe(config, cls, tune=decays, **{**base, **kw})


VARIANTS = {
    "deepseek-v2": moe(tf.DeepseekV2Config, tf.DeepseekV2ForCausalLM, **LATENT, n_routed_experts=6, num_experts_per_tok=2,
                       n_shared_experts=2, topk_method="group_limited_greedy", n_group=3, topk_group=2, routed_scaling_factor=1.5,
                       rope_parameters=YARN, edit=old_style),
    "deepseek-v2-lite": moe(tf.DeepseekV2Config, tf.DeepseekV2ForCausalLM, **{**LATENT, "q_lora_rank": None}, n_routed_experts=4,
                            num_experts_per_tok=2, n_shared_experts=1, first_k_dense_replace=1, attention_bias=True),
    "deepseek-v3": moe(tf.DeepseekV3Config, tf.DeepseekV3ForCausalLM, **LATENT, n_routed_experts=8, num_experts_per_tok=3, n_group=4,
                       topk_group=2, first_k_dense_replace=1, rope_parameters=YARN, tune=correction),
    "deepseek-v3-plain": moe(tf.DeepseekV3Config, tf.DeepseekV3ForCausalLM, **{**LATENT, "q_lora_rank": None}, n_routed_experts=4,
                             num_experts_per_tok=2, n_group=1, topk_group=1, norm_topk_prob=False, rope_interleave=False,
                             first_k_dense_replace=0, tune=correction),
    "lfm2": mixer(tf.Lfm2Config, tf.Lfm2ForCausalLM, num_attention_heads=6, num_key_value_heads=2, intermediate_size=30,
                  layer_types=["conv", "full_attention", "conv"], block_multiple_of=4),
    "lfm2-bias": mixer(tf.Lfm2Config, tf.Lfm2ForCausalLM, num_attention_heads=3, num_key_value_heads=3, intermediate_size=18,
                       full_attn_idxs=[0], num_hidden_layers=2, conv_bias=True, conv_L_cache=4, block_auto_adjust_ff_dim=False,
                       tie_word_embeddings=False),
    "mamba": mixer(tf.MambaConfig, tf.MambaForCausalLM, state_size=5, num_hidden_layers=2),
    "mamba-variant": mixer(tf.MambaConfig, tf.MambaForCausalLM, state_size=7, expand=3, conv_kernel=3, use_bias=True,
                           use_conv_bias=False, time_step_rank=3, num_hidden_layers=2, tie_word_embeddings=False, dtype="bfloat16"),
    "falcon-mamba": mixer(tf.FalconMambaConfig, tf.FalconMambaForCausalLM, state_size=6, num_hidden_layers=2),
    "qwen3-next": mixer(tf.Qwen3NextConfig, tf.Qwen3NextForCausalLM, **DELTA, num_attention_heads=3, num_key_value_heads=1,
                        intermediate_size=18, layer_types=["linear_attention", "full_attention", "linear_attention"]),
    "qwen3-next-dense": mixer(tf.Qwen3NextConfig, tf.Qwen3NextForCausalLM, **{**DELTA, "linear_num_value_heads": 2},
                              num_attention_heads=2, num_key_value_heads=2, intermediate_size=18, num_hidden_layers=2,
                              layer_types=["linear_attention", "full_attention"], mlp_only_layers=[0, 1], attention_bias=True),
}
VARIANTS = tied(VARIANTS)
