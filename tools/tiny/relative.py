"""Encoders whose attention knows the distance of a key and a query: T5's, MPNet, DeBERTa-v2 and -v3."""
import transformers as tf

from . import V, Tiny
from .encoders import BERT

T5 = dict(vocab_size=V, d_model=20, d_kv=6, d_ff=26, num_layers=2, num_heads=5, relative_attention_num_buckets=8,
          relative_attention_max_distance=20, pad_token_id=259, eos_token_id=257, decoder_start_token_id=259)
LENGTHS = (1, 67)
PLAIN = {k: v for k, v in BERT.items() if k != "type_vocab_size"}


def t5(config, cls, **kw):
    extra = {k: kw.pop(k) for k in ("edit", "weights", "encoder") if k in kw}
    return Tiny(lambda: config(**{**T5, **kw}), cls, lengths=LENGTHS, **extra)


def deberta(cls, **kw):
    extra = {k: kw.pop(k) for k in ("edit", "weights") if k in kw}
    return Tiny(lambda: tf.DebertaV2Config(**{**PLAIN, "relative_attention": True, **kw}), cls, lengths=LENGTHS, **extra)


V3 = dict(position_buckets=10, norm_rel_ebd="layer_norm", share_att_key=True, pos_att_type="p2c|c2p", position_biased_input=False,
          max_relative_positions=-1, layer_norm_eps=1e-7)
VARIANTS = {
    "t5": t5(tf.T5Config, tf.T5EncoderModel),
    "t5-gated": t5(tf.T5Config, tf.T5EncoderModel, feed_forward_proj="gated-gelu", relative_attention_num_buckets=32,
                   relative_attention_max_distance=128, d_kv=7),
    "t5-whole": t5(tf.T5Config, tf.T5ForConditionalGeneration, num_layers=1, num_decoder_layers=1, encoder=True,
                   edit=lambda c: {**c, "n_positions": 512, "architectures": ["T5ForConditionalGeneration"]}),
    "mt5": t5(tf.MT5Config, tf.MT5EncoderModel, feed_forward_proj="gated-gelu"),
    "umt5": t5(tf.UMT5Config, tf.UMT5EncoderModel),
    "mpnet": Tiny(lambda: tf.MPNetConfig(**{**PLAIN, "pad_token_id": 1}), tf.MPNetModel, lengths=LENGTHS),
    "mpnet-mlm": Tiny(lambda: tf.MPNetConfig(**{**PLAIN, "pad_token_id": 1, "layer_norm_eps": 1e-5}), tf.MPNetForMaskedLM, lengths=LENGTHS),
    "deberta-v3": deberta(tf.DebertaV2Model, **V3),
    "deberta-v2": deberta(tf.DebertaV2ForMaskedLM, pos_att_type=["c2p"], max_relative_positions=12, type_vocab_size=2),
    "deberta-v2-p2c": deberta(tf.DebertaV2Model, pos_att_type=["p2c"], position_buckets=16, max_relative_positions=40),
    "deberta-v2-plain": deberta(tf.DebertaV2Model, relative_attention=False),
}
