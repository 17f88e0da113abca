"""Llama, Mistral, Qwen 2 and 3, GPT-2, BERT."""
import transformers as tf

from . import Tiny, old_style, tied

V = 280
LENGTHS, SHORT = (1, 9, 70), (2, 70)
FIRST = {"llama-gqa", "llama-mha-tied", "llama-base", "mistral", "qwen2", "qwen3", "gpt2", "bert"}
LLAMA = dict(vocab_size=V, hidden_size=42, intermediate_size=54, num_hidden_layers=3, num_attention_heads=6,
             num_key_value_heads=2, head_dim=10, max_position_embeddings=256, rms_norm_eps=1e-6,
             bos_token_id=256, eos_token_id=257, pad_token_id=None)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)
LONG = dict(rope_type="longrope", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64,
            short_factor=[1.0, 1.1, 1.2, 1.3, 1.5], long_factor=[1.5, 2.0, 2.5, 3.0, 4.0])


# the same in less room, for all but the first of each kind
SMALL = {**LLAMA, "vocab_size": 260, "hidden_size": 24, "intermediate_size": 22, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1}


def llama(base=LLAMA, **kw):
    return tf.LlamaConfig(**{**base, **kw}), tf.LlamaForCausalLM


FOUNDATION = {
    "llama-gqa": lambda: llama(),
    "llama-mha-tied": lambda: llama(SMALL, num_key_value_heads=3, tie_word_embeddings=True),
    "llama-odd": lambda: llama(SMALL, hidden_size=35, num_attention_heads=5, head_dim=14, intermediate_size=51,
                               hidden_act="gelu"),
    "llama-biases": lambda: llama(SMALL, attention_bias=True, mlp_bias=True),
    "llama-linear": lambda: llama(SMALL, rope_parameters=dict(rope_type="linear", rope_theta=5000.0, factor=2.5)),
    "llama-dynamic": lambda: llama(SMALL, max_position_embeddings=64,
                                   rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)),
    "llama-yarn": lambda: llama(SMALL, rope_parameters=YARN),
    "llama-yarn-mscale": lambda: llama(SMALL, rope_parameters={**YARN, "beta_fast": 16.0, "beta_slow": 2.0, "mscale": 0.8,
                                                        "mscale_all_dim": 0.6, "truncate": False}),
    "llama-longrope": lambda: llama(SMALL, rope_parameters=LONG),
    "llama-llama3": lambda: llama(SMALL, rope_parameters=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
                                                       high_freq_factor=4.0, original_max_position_embeddings=64)),
    "llama-base": lambda: (llama(SMALL)[0], tf.LlamaModel),
    "mistral": lambda: (tf.MistralConfig(**{**SMALL, "sliding_window": 7}), tf.MistralForCausalLM),
    "mistral-full": lambda: (tf.MistralConfig(**{**SMALL, "sliding_window": None}), tf.MistralForCausalLM),
    "qwen2": lambda: (tf.Qwen2Config(**{k: v for k, v in LLAMA.items() if k != "head_dim"} | dict(hidden_size=48)),
                      tf.Qwen2ForCausalLM),
    "qwen2-window": lambda: (tf.Qwen2Config(**{k: v for k, v in SMALL.items() if k != "head_dim"} |
                                            dict(use_sliding_window=True, sliding_window=9, max_window_layers=1,
                                                 tie_word_embeddings=True)), tf.Qwen2ForCausalLM),
    "qwen3": lambda: (tf.Qwen3Config(**SMALL), tf.Qwen3ForCausalLM),
    "qwen3-biases": lambda: (tf.Qwen3Config(**{**SMALL, "attention_bias": True, "tie_word_embeddings": True}), tf.Qwen3ForCausalLM),
    "gpt2": lambda: (tf.GPT2Config(vocab_size=V, n_positions=200, n_embd=30, n_layer=2, n_head=5, bos_token_id=256,
                                   eos_token_id=257), tf.GPT2LMHeadModel),
    "gpt2-variant": lambda: (tf.GPT2Config(vocab_size=V, n_positions=200, n_embd=24, n_layer=2, n_head=3, n_inner=34,
                                           activation_function="relu", scale_attn_by_inverse_layer_idx=True, bos_token_id=256,
                                           eos_token_id=257), tf.GPT2LMHeadModel),
    "gpt2-base": lambda: (tf.GPT2Config(vocab_size=V, n_positions=160, n_embd=20, n_layer=2, n_head=2, n_inner=30, bos_token_id=256,
                                        eos_token_id=257, scale_attn_weights=False), tf.GPT2Model),
    "bert": lambda: (tf.BertConfig(vocab_size=V, hidden_size=40, num_hidden_layers=3, num_attention_heads=5, intermediate_size=54,
                                   max_position_embeddings=160, type_vocab_size=2, pad_token_id=259), tf.BertModel),
    "bert-mlm": lambda: (tf.BertConfig(vocab_size=V, hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=34,
                                       max_position_embeddings=160, hidden_act="gelu_new", pad_token_id=259), tf.BertForMaskedLM),
}

FLOATS = {"llama-gqa", "llama-base", "qwen3", "bert"}  # saved as float32; the rest narrower
OLD_STYLE = {"llama-yarn", "llama-llama3", "llama-longrope", "llama-linear", "mistral", "qwen2"}


def tiny(name, make):
    dtype = "float32" if name in FLOATS else "float16" if name == "qwen3-biases" else "bfloat16"
    return Tiny(lambda: make()[0], make()[1], dtype=dtype, shards=name == "qwen3", edit=old_style if name in OLD_STYLE else None,
                lengths=(1, 9, 33, 140) if name == "llama-gqa" else LENGTHS if name in FIRST else SHORT)


VARIANTS = {name: tiny(name, make) for name, make in FOUNDATION.items()}
VARIANTS |= tied({name: t for name, t in VARIANTS.items() if name not in FIRST | FLOATS and name != "gpt2-base"})
