"""The text towers of larger models: text_config inside, weight names as transformers 4 and 5 save them; the other weights are left out."""
import transformers as tf

from . import Tiny
from .decoders import EVEN, GEMMA3, LLAMA

VISION = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=28, patch_size=14)


def text_only(weights):
    return {k: v for k, v in weights.items() if "vision" not in k and "visual" not in k and "projector" not in k}


def as_4(weights):
    """language_model.model.layers…, language_model.lm_head"""
    new = {}
    for k, v in text_only(weights).items():
        new[k.replace("model.language_model.", "language_model.model.") if "language_model" in k else "language_model." + k] = v
    return new


def as_qwen_4(weights):
    return {k.replace("model.language_model.", "model."): v for k, v in text_only(weights).items()}


def flat_qwen(cfg):
    """As Qwen2-VL's first configs were: the text's keys beside vision_config, and the rotary type called mrope."""
    text = cfg.pop("text_config")
    rope = text.pop("rope_parameters")
    keep = {k: v for k, v in text.items() if k not in ("model_type", "layer_types", "architectures")}
    return {**keep, **cfg, "rope_theta": rope["rope_theta"], "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]}}


def tower(cls, config, text, vision=None, **kw):
    return Tiny(lambda: getattr(tf, config)(text_config=text, vision_config={**VISION, **(vision or {})}), getattr(tf, cls), **kw)


MROPE = dict(rope_type="default", rope_theta=10000.0, mrope_section=[1, 1, 2])
MISTRAL = {**LLAMA, "model_type": "mistral", "sliding_window": None, "num_key_value_heads": 1}
QWEN = {**EVEN, "num_key_value_heads": 1, "rope_parameters": MROPE}
QWEN_VISION = dict(depth=1, embed_dim=8, hidden_size=24, num_heads=1, mlp_ratio=1)
QWEN3 = {**LLAMA, "head_dim": 8, "rope_parameters": {**MROPE, "mrope_interleaved": True}}
QWEN3_VISION = dict(depth=1, hidden_size=8, num_heads=1, intermediate_size=8, out_hidden_size=20, deepstack_visual_indexes=[0], num_position_embeddings=16)
VARIANTS = {
    "tower-qwen3_vl": tower("Qwen3VLForConditionalGeneration", "Qwen3VLConfig", QWEN3, QWEN3_VISION, weights=text_only, lengths=(9,)),
    "tower-gemma3": tower("Gemma3ForConditionalGeneration", "Gemma3Config", {**GEMMA3, "num_hidden_layers": 3}, weights=text_only),
    "tower-mistral3": tower("Mistral3ForConditionalGeneration", "Mistral3Config", MISTRAL, dict(model_type="pixtral", head_dim=8),
                            weights=as_4),
    "tower-llava": tower("LlavaForConditionalGeneration", "LlavaConfig", {**EVEN, "model_type": "llama"},
                         dict(model_type="clip_vision_model", projection_dim=8), weights=as_4),
    "tower-qwen2_vl": tower("Qwen2VLForConditionalGeneration", "Qwen2VLConfig", QWEN, QWEN_VISION, weights=as_qwen_4, edit=flat_qwen),
    "tower-qwen2_5_vl": tower("Qwen2_5_VLForConditionalGeneration", "Qwen2_5_VLConfig", QWEN,
                              dict(depth=1, hidden_size=8, num_heads=1, intermediate_size=8, out_hidden_size=24, fullatt_block_indexes=[0]),
                              weights=text_only),
}
