"""Encoders: BERT's descendants and those that read Llama-like blocks in both directions."""
import transformers as tf

from . import V, Tiny

BERT = dict(vocab_size=V, hidden_size=20, num_hidden_layers=2, num_attention_heads=5, intermediate_size=26, max_position_embeddings=170,
            type_vocab_size=2, pad_token_id=259, bos_token_id=256, eos_token_id=257)
LENGTHS = (1, 67)


def bert(config, cls, **kw):
    return Tiny(lambda: config(**{**BERT, **kw}), cls, lengths=LENGTHS)


def nomic_names(t):
    """As Nomic's own code wrote it."""
    import re
    import torch
    out = {}
    for k, v in t.items():
        k = re.sub(r"^nomic_bert\.", "", k)
        k = k.replace("embeddings.LayerNorm", "emb_ln")
        m = re.match(r"layers\.(\d+)\.(.*)", k)
        if m:
            i, rest = m.groups()
            if rest.startswith("self_attn.q_proj"):
                q, kk, vv = (t[k.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj"))
                out[f"encoder.layers.{i}.attn.Wqkv.weight"] = torch.cat([q, kk, vv])
                continue
            if rest.startswith(("self_attn.k_proj", "self_attn.v_proj")):
                continue
            for a, b in (("self_attn.o_proj", "attn.out_proj"), ("post_attention_layernorm", "norm1"), ("post_mlp_layernorm", "norm2"),
                         ("mlp.gate_proj", "mlp.fc12"), ("mlp.up_proj", "mlp.fc11"), ("mlp.down_proj", "mlp.fc2")):
                rest = rest.replace(a, b)
            k = f"encoder.layers.{i}.{rest}"
        out[k] = v
    return out


def nomic_config(c):
    return dict(architectures=["NomicBertModel"], model_type="nomic_bert", n_layer=c["num_hidden_layers"], n_embd=c["hidden_size"],
                n_head=c["num_attention_heads"], n_inner=c["intermediate_size"], n_positions=c["max_position_embeddings"],
                vocab_size=c["vocab_size"], type_vocab_size=c["type_vocab_size"], layer_norm_epsilon=c["layer_norm_eps"],
                activation_function="swiglu", rotary_emb_base=1000, rotary_emb_fraction=1.0, rotary_emb_interleaved=False,
                rotary_emb_scale_base=None, rotary_scaling_factor=None, qkv_proj_bias=False, mlp_fc1_bias=False, mlp_fc2_bias=False,
                prenorm=False, parallel_block=False, use_rms_norm=False, causal=False, torch_dtype="float32")


def new_names(t):
    """As GTE's authors' own code ("new") wrote it."""
    import re
    import torch
    out = {}
    for k, v in t.items():
        m = re.match(r"layers\.(\d+)\.(.*)", k)
        if m:
            i, rest = m.groups()
            p = f"encoder.layer.{i}."
            if "q_proj" in rest:
                out[p + rest.replace("self_attn.q_proj", "attention.qkv_proj")] = torch.cat([t[k.replace("q_proj", x)] for x in
                                                                                              ("q_proj", "k_proj", "v_proj")])
            elif "gate_proj" in rest:
                out[p + "mlp.up_gate_proj.weight"] = torch.cat([t[k.replace("gate_proj", "up_proj")], v])
            elif not any(x in rest for x in ("k_proj", "v_proj", "up_proj")):
                for a, b in (("self_attn.o_proj", "attention.o_proj"), ("post_attention_layernorm", "attn_ln"), ("post_mlp_layernorm", "mlp_ln")):
                    rest = rest.replace(a, b)
                out[p + rest] = v
            continue
        out[k] = v
    return out


def new_config(c):
    rope = c.pop("rope_parameters")
    return {**c, "architectures": ["NewModel"], "model_type": "new", "pack_qkv": True, "position_embedding_type": "rope",
            "rope_theta": rope["rope_theta"], "layer_norm_type": "layer_norm", "torch_dtype": "float32", "unpad_inputs": False}


TASKS = ["retrieval.query", "retrieval.passage", "separation", "classification", "text-matching"]
RANK, ALPHA = 2, 3


def adapter(name, shape):
    """A and B of all tasks beside the matrix or table `name` of Jina's own names: [tasks, rank, in] and [tasks, out, rank], or of a table
    [tasks, rows, rank] and [tasks, rank, width]. Drawn by name, so that what is stored and what is expected are the same."""
    import torch
    g = torch.Generator().manual_seed(sum(map(ord, name)))
    out, width = shape
    sizes = ((out, RANK), (RANK, width)) if "embeddings" in name else ((RANK, width), (out, RANK))
    return [(torch.randn(len(TASKS), *s, generator=g) * 0.2).to(torch.bfloat16) for s in sizes]


def flash_adapted(model, task):
    """transformers' model with the task's adapters added to its weights: W + alpha / rank * B A, of a table A B."""
    import copy
    import re
    import torch
    model = copy.deepcopy(model)
    t = dict(model.named_parameters())
    with torch.no_grad():
        for k, v in t.items():
            if v.dim() != 2 or "pooler" in k or re.search("[kv]_proj", k):
                continue
            parts = [t[k.replace("q_proj", p)] for p in ("q_proj", "k_proj", "v_proj")] if "q_proj" in k else [v]
            whole = torch.cat([p.data for p in parts])
            a, b = (x[task].float() for x in adapter(flash_name(k), whole.shape))
            whole += ALPHA / RANK * (a @ b if "embeddings" in k else b @ a)
            for p, new in zip(parts, whole.split([p.shape[0] for p in parts])):
                p.copy_(new)
    return model


def flash_name(k):
    import re
    k = k.replace("embeddings.LayerNorm", "emb_ln")
    for a, b in (("self_attn.q_proj", "mixer.Wqkv"), ("self_attn.o_proj", "mixer.out_proj"), ("post_attention_layernorm", "norm1"),
                 ("post_mlp_layernorm", "norm2")):
        k = k.replace(a, b)
    return re.sub(r"^layers\.", "encoder.layers.", k)


def flash_names(t):
    """As Jina's authors wrote v3: XLM-R flash, with adapters beside each matrix and table."""
    import re
    import torch
    out = {}
    for k, v in t.items():
        if re.search("[kv]_proj", k):
            continue
        if "q_proj" in k:
            v = torch.cat([t[k.replace("q_proj", x)] for x in ("q_proj", "k_proj", "v_proj")])
        k = flash_name(k)
        if v.dim() == 2:
            stem = k[:-len("weight")] + "parametrizations.weight."
            out["roberta." + stem + "0.lora_A"], out["roberta." + stem + "0.lora_B"] = adapter(k, v.shape)
            k = stem + "original"
        out["roberta." + k] = v
    return out


def flash_config(c):
    return dict(architectures=["XLMRobertaModel"], model_type="xlm-roberta", vocab_size=c["vocab_size"], hidden_size=c["hidden_size"],
                num_hidden_layers=c["num_hidden_layers"], num_attention_heads=c["num_attention_heads"], intermediate_size=c["intermediate_size"],
                max_position_embeddings=c["max_position_embeddings"] + 2, type_vocab_size=1, layer_norm_eps=c["layer_norm_eps"], pad_token_id=1,
                hidden_act="gelu", position_embedding_type="rotary", rotary_emb_base=20000.0, lora_rank=RANK, lora_alpha=ALPHA,
                lora_adaptations=TASKS, task_instructions={k: "Q: " if k.endswith("query") else "" for k in TASKS})


def modern_old(c):
    rope = c.pop("rope_parameters")
    c.pop("layer_types")
    return {**c, "global_attn_every_n_layers": 3, "global_rope_theta": rope["full_attention"]["rope_theta"],
            "local_rope_theta": rope["sliding_attention"]["rope_theta"]}


MODERN = {k: v for k, v in BERT.items() if k != "type_vocab_size"} | dict(local_attention=14, num_hidden_layers=4)
ESM = {k: v for k, v in BERT.items() if k not in ("type_vocab_size",)} | dict(mask_token_id=258, pad_token_id=1)
ROPE = dict(BERT, max_position_embeddings=192)

VARIANTS = {
    "roberta": bert(tf.RobertaConfig, tf.RobertaModel, pad_token_id=1),
    "roberta-mlm": bert(tf.RobertaConfig, tf.RobertaForMaskedLM, pad_token_id=1, type_vocab_size=1),
    "xlm-roberta": bert(tf.XLMRobertaConfig, tf.XLMRobertaModel, pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5),
    "camembert": bert(tf.CamembertConfig, tf.CamembertModel, pad_token_id=5, type_vocab_size=1),
    "distilbert": Tiny(lambda: tf.DistilBertConfig(vocab_size=V, dim=20, n_layers=2, n_heads=5, hidden_dim=26, max_position_embeddings=170),
                       tf.DistilBertForMaskedLM, lengths=LENGTHS),
    "electra": bert(tf.ElectraConfig, tf.ElectraForMaskedLM, embedding_size=14),
    "electra-wide": bert(tf.ElectraConfig, tf.ElectraModel, embedding_size=20),
    "albert": bert(tf.AlbertConfig, tf.AlbertForMaskedLM, embedding_size=14, num_hidden_layers=4),
    "albert-groups": bert(tf.AlbertConfig, tf.AlbertModel, embedding_size=20, num_hidden_layers=5, num_hidden_groups=2, hidden_act="gelu"),
    "ernie": bert(tf.ErnieConfig, tf.ErnieForMaskedLM),
    "ernie-tasks": bert(tf.ErnieConfig, tf.ErnieModel, use_task_id=True, task_type_vocab_size=3, hidden_act="relu"),
    "modernbert": Tiny(lambda: tf.ModernBertConfig(**MODERN), tf.ModernBertModel, lengths=LENGTHS),
    "modernbert-biases": Tiny(lambda: tf.ModernBertConfig(**MODERN, attention_bias=True, mlp_bias=True, norm_bias=True),
                              tf.ModernBertForMaskedLM, edit=modern_old, lengths=LENGTHS),
    "nomic_bert": Tiny(lambda: tf.NomicBertConfig(**ROPE), tf.NomicBertForMaskedLM, lengths=LENGTHS),
    "nomic_bert-own": Tiny(lambda: tf.NomicBertConfig(**ROPE), tf.NomicBertModel, weights=nomic_names, config_last=nomic_config,
                           lengths=LENGTHS),
    "gte": Tiny(lambda: tf.GteConfig(**ROPE), tf.GteForMaskedLM, lengths=LENGTHS),
    "gte-new": Tiny(lambda: tf.GteConfig(**dict(ROPE, type_vocab_size=0)), tf.GteModel, weights=new_names, config_last=new_config,
                    lengths=LENGTHS),
    "jina_embeddings_v3": Tiny(lambda: tf.JinaEmbeddingsV3Config(**dict(ROPE, type_vocab_size=1)), tf.JinaEmbeddingsV3ForMaskedLM,
                               lengths=LENGTHS),
    "jina_embeddings_v3-flash": Tiny(lambda: tf.JinaEmbeddingsV3Config(**dict(ROPE, type_vocab_size=1)), tf.JinaEmbeddingsV3Model,
                                     lengths=(1, 67, 9, 9, 9, 9, 9), tasks=(-1, 0, 1, 2, 3, 4, -1), adapted=flash_adapted, weights=flash_names,
                                     config_last=flash_config),
    "eurobert": Tiny(lambda: tf.EuroBertConfig(**{k: v for k, v in ROPE.items() if k != "type_vocab_size"}, num_key_value_heads=1),
                     tf.EuroBertModel, lengths=LENGTHS),
    "eurobert-mlm": Tiny(lambda: tf.EuroBertConfig(**{k: v for k, v in ROPE.items() if k != "type_vocab_size"}, num_key_value_heads=5,
                                                   mlp_bias=True, attention_bias=True), tf.EuroBertForMaskedLM, lengths=LENGTHS),
    "esm2": Tiny(lambda: tf.EsmConfig(**ESM, position_embedding_type="rotary", token_dropout=True), tf.EsmModel, lengths=LENGTHS,
                 dtype="float32"),  # its frequencies are stored, and transformers takes them as they are
    "esm1b": Tiny(lambda: tf.EsmConfig(**ESM, position_embedding_type="absolute", emb_layer_norm_before=True), tf.EsmForMaskedLM,
                  lengths=LENGTHS),
}
