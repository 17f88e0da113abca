"""Tables of tiny models, one file a group of families; tools/make-tiny-models.py makes them. Each file has VARIANTS = {name: Tiny(...)}."""
from dataclasses import dataclass, replace
from functools import partial
from typing import Callable

V = 260  # words: 256 bytes, then specials
IDS = dict(bos_token_id=256, eos_token_id=257, pad_token_id=259)


@dataclass
class Tiny:
    config: Callable  # () -> configuration
    cls: type  # of transformers
    dtype: str = "bfloat16"  # as saved; what is expected is computed in float32
    shards: bool = False
    edit: Callable = None  # (config.json as a dict) -> dict: as other versions write it
    weights: Callable = None  # (state dict) -> state dict: names and layouts as other versions write them
    config_last: Callable = None  # (config.json as a dict) -> dict: as code wrote it that transformers cannot read
    lengths: tuple = (2, 67)  # of the prompts: the tree has room for little, and 67 crosses a page of keys
    attn: str = "eager"
    tune: Callable = None  # (model): after its weights have been drawn
    cache: bool = True  # greedy steps go through transformers' cache; False where it gives other numbers than the whole text
    tasks: tuple = ()  # of the prompts, by number; -1 none
    adapted: Callable = None  # (model, task): the model as the task's adapter makes it, for the expected states
    encoder: bool = False  # of a model with two halves the first counts



def tied(variants, also=()):
    """Those of the variants that are not a family's first, or named: their heads are their embeddings, which saves room."""
    def config(make):
        cfg = make()
        cfg.tie_word_embeddings = True
        return cfg
    return {name: replace(t, config=partial(config, t.config)) if "-" in name or name in also else t for name, t in variants.items()}


def old_style(cfg):
    """As transformers 4 wrote it: top-level rope_theta, rope_scaling, torch_dtype."""
    rope = cfg.pop("rope_parameters", None) or {}
    cfg["rope_theta"] = rope.pop("rope_theta", 10000.0)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        cfg["rope_scaling"] = None
    else:
        if kind == "linear":  # the oldest spelling
            rope["type"] = rope.pop("rope_type")
        cfg["rope_scaling"] = rope
    if "dtype" in cfg:
        cfg["torch_dtype"] = cfg.pop("dtype")
    cfg.pop("layer_types", None)
    cfg["transformers_version"] = "4.46.0"
    return cfg
