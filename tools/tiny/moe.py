"""Mixtures of experts."""
import torch
import transformers as tf

from . import IDS, V, Tiny, old_style, tied

def long_phimoe():
    """Frequencies as transformers 4 took them: 5.24 computes the long ones and then takes the short ones."""
    from transformers.models.phimoe import modeling_phimoe as m
    init = m.ROPE_INIT_FUNCTIONS["longrope"]

    def forward(self, x, position_ids=None):
        rope, length = self.config.rope_parameters, int(position_ids.max()) + 1
        if self.rope_type == "default":
            freq, scale = self.inv_freq, self.attention_scaling
        else:
            freq, _ = init(self.config, x.device, length)
            scale = rope["long_mscale" if length > rope["original_max_position_embeddings"] else "short_mscale"]
        angle = position_ids[..., None].float() * freq.float()
        angle = torch.cat((angle, angle), dim=-1)
        return (angle.cos() * scale).to(x.dtype), (angle.sin() * scale).to(x.dtype)
    m.PhimoeRotaryEmbedding.forward = forward


long_phimoe()
BASE = dict(vocab_size=V, hidden_size=24, intermediate_size=18, num_hidden_layers=2, num_attention_heads=6, num_key_value_heads=2,
            max_position_embeddings=256, **IDS)
LENGTHS = (1, 50)


def moe(config, cls, **kw):
    extra = {k: kw.pop(k) for k in list(kw) if k in ("edit", "weights", "tune", "dtype")}
    return Tiny(lambda: config(**{**BASE, **kw}), cls, lengths=LENGTHS, **extra)


def correction(model):
    """Correction biases large enough to change choices."""
    for name, b in model.named_buffers():
        if "correction_bias" in name or "expert_bias" in name:
            b.copy_(0.3 * torch.randn_like(b))


def stack(names, down, into, into_down, experts):
    """The state dict with each layer's experts in one tensor, as transformers 5 may save them."""
    def change(state):
        out, layers = {}, set()
        for k, v in state.items():
            if ".experts." in k:
                layers.add(k.split(".experts.")[0])
            else:
                out[k] = v
        for p in layers:
            rows = [torch.cat([state[f"{p}.experts.{e}.{n}.weight"] for n in names]) for e in range(experts)]
            out[f"{p}.experts.{into}"] = torch.stack(rows)
            out[f"{p}.experts.{into_down}"] = torch.stack([state[f"{p}.experts.{e}.{down}.weight"] for e in range(experts)])
        return out
    return change


VARIANTS = {
    "mixtral": moe(tf.MixtralConfig, tf.MixtralForCausalLM, num_local_experts=5, num_experts_per_tok=2, sliding_window=20,
                   edit=old_style, dtype="float16"),
    "mixtral-bf16": moe(tf.MixtralConfig, tf.MixtralForCausalLM, num_local_experts=4, num_experts_per_tok=3, dtype="bfloat16"),
    "qwen2-moe": moe(tf.Qwen2MoeConfig, tf.Qwen2MoeForCausalLM, num_experts=5, num_experts_per_tok=2, moe_intermediate_size=10,
                     shared_expert_intermediate_size=22, num_hidden_layers=3, mlp_only_layers=[1]),
    "qwen2-moe-norm": moe(tf.Qwen2MoeConfig, tf.Qwen2MoeForCausalLM, num_experts=4, num_experts_per_tok=3, moe_intermediate_size=10,
                          shared_expert_intermediate_size=10, norm_topk_prob=True, decoder_sparse_step=2, qkv_bias=False,
                          use_sliding_window=True, sliding_window=9),
    "qwen3-moe": moe(tf.Qwen3MoeConfig, tf.Qwen3MoeForCausalLM, num_experts=7, num_experts_per_tok=3, moe_intermediate_size=10,
                     head_dim=10, norm_topk_prob=True),
    "qwen3-moe-stacked": moe(tf.Qwen3MoeConfig, tf.Qwen3MoeForCausalLM, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=10,
                             head_dim=10, weights=stack(("gate_proj", "up_proj"), "down_proj", "gate_up_proj", "down_proj", 4)),
    "olmoe": moe(tf.OlmoeConfig, tf.OlmoeForCausalLM, num_experts=6, num_experts_per_tok=2, clip_qkv=1.5),
    "phimoe": moe(tf.PhimoeConfig, tf.PhimoeForCausalLM, num_local_experts=5, num_experts_per_tok=2, router_jitter_noise=0.2,
                  lm_head_bias=True, attention_bias=True),
    "phimoe-longrope": moe(tf.PhimoeConfig, tf.PhimoeForCausalLM, num_local_experts=4, num_experts_per_tok=2, max_position_embeddings=160,
                           rope_parameters=dict(rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.2], long_factor=[1.5, 4.0],
                                                short_mscale=1.1, long_mscale=1.3, original_max_position_embeddings=40), edit=old_style),
    "qwen2-moe-window": moe(tf.Qwen2MoeConfig, tf.Qwen2MoeForCausalLM, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=10,
                            shared_expert_intermediate_size=10, num_hidden_layers=3, use_sliding_window=True, sliding_window=9,
                            max_window_layers=2, edit=lambda c: {k: v for k, v in c.items() if k != "layer_types"}),
    "granitemoe": moe(tf.GraniteMoeConfig, tf.GraniteMoeForCausalLM, num_local_experts=5, num_experts_per_tok=2,
                      embedding_multiplier=3.0, residual_multiplier=0.4, attention_multiplier=0.3, logits_scaling=2.0),
    "granitemoe-shared": moe(tf.GraniteMoeSharedConfig, tf.GraniteMoeSharedForCausalLM, num_local_experts=4, num_experts_per_tok=3,
                             shared_intermediate_size=18, tie_word_embeddings=True),
    "glm4-moe": moe(tf.Glm4MoeConfig, tf.Glm4MoeForCausalLM, n_routed_experts=8, num_experts_per_tok=3, moe_intermediate_size=10,
                    n_group=4, topk_group=2, routed_scaling_factor=1.7, use_qk_norm=True, attention_bias=True, head_dim=12, tune=correction),
    "gpt-oss": moe(tf.GptOssConfig, tf.GptOssForCausalLM, num_local_experts=5, num_experts_per_tok=2, head_dim=10, sliding_window=9,
                   swiglu_limit=1.5),
}
VARIANTS = tied(VARIANTS, ("mixtral", "olmoe", "phimoe", "granitemoe"))
