#!/usr/bin/env python3
"""Tiny sentence-transformers folders, cross-encoders and SPLADE models of tests/st, with what sentence-transformers computes on them.

Each folder has expected.json: {"kind": "embed" | "rerank" | "sparse", "cases": [{...request fields..., "answer": ...}]}.
  usage: tools/make-tiny-st.py [OUT=tests/st] [NAME ...]       (needs torch, transformers, sentence-transformers)
"""
import importlib.util
import json
import os
import shutil
import sys

import torch
import transformers as tf
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, SentenceTransformer, SparseEncoder
from sentence_transformers.sentence_transformer import modules as m
from sentence_transformers.sparse_encoder.modules import SpladePooling
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("tinymake", os.path.join(HERE, "make-tiny-models.py"))
tinymake = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tinymake)

V = 280
TEXTS = ["Hello", "a longer text, with Ünïcode and 中文", "", "x" * 90]
BERT = dict(vocab_size=V, hidden_size=30, num_hidden_layers=2, num_attention_heads=5, intermediate_size=34, max_position_embeddings=90,
            type_vocab_size=2, pad_token_id=259, bos_token_id=256, eos_token_id=257)


def tokenizer(folder, pair_types=True):
    t = tinymake.byte_tokenizer()
    one, two = {"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": int(pair_types)}}
    mark = lambda w, i: {"SpecialToken": {"id": w, "type_id": i}}  # noqa: E731
    t["post_processor"] = dict(type="TemplateProcessing", single=[mark("<s>", 0), one, mark("</s>", 0)],
                               pair=[mark("<s>", 0), one, mark("</s>", 0), two, mark("</s>", int(pair_types))],
                               special_tokens={"<s>": dict(id="<s>", ids=[256], tokens=["<s>"]), "</s>": dict(id="</s>", ids=[257], tokens=["</s>"])})
    json.dump(t, open(os.path.join(folder, "tokenizer.json"), "w"), ensure_ascii=False, separators=(",", ":"))
    json.dump(dict(tokenizer_class="PreTrainedTokenizerFast", pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>",
                   cls_token="<s>", sep_token="</s>", model_max_length=80,
                   **(dict(model_input_names=["input_ids", "token_type_ids", "attention_mask"]) if pair_types else {})), open(os.path.join(folder, "tokenizer_config.json"), "w"))


def body(folder, cls, config, **kw):
    torch.manual_seed(sum(map(ord, os.path.basename(os.path.dirname(folder) or folder))))
    net = cls(config).eval()
    tinymake.randomize(net)
    net.save_pretrained(folder)
    tokenizer(folder, **kw)


def sentence(out, cls, config, layers, prompts=None, default=None, **options):
    """layers: width of the rows -> modules behind the transformer. options: of sentence_bert_config.json."""
    raw = out + ".raw"
    os.makedirs(raw)
    body(raw, cls, config)
    t = m.Transformer(raw, max_seq_length=80) if hasattr(m, "Transformer") else None
    torch.manual_seed(7)
    st = SentenceTransformer(modules=[t, *layers(config.hidden_size)], device="cpu", prompts=prompts or {}, default_prompt_name=default)
    st.save(out)
    shutil.rmtree(raw)
    if options:
        name = os.path.join(out, "sentence_bert_config.json")
        json.dump({**json.load(open(name)), **options}, open(name, "w"))
    st = SentenceTransformer(out, device="cpu")
    cases = []
    for text in TEXTS:
        for name in [None, *(prompts or {})]:
            cases.append(dict(text=text, **({"prompt_name": name} if name else {}),
                              answer=[float(x) for x in st.encode([text], prompt_name=name)[0]]))
    return dict(kind="embed", cases=cases)


def cross(out, cls, config, edit=None, saved=None, **kw):
    """saved: an activation, with which CrossEncoder itself saves the model (modules.json and all)."""
    os.makedirs(out)
    body(out, cls, config, **kw)
    if edit:
        tinymake.rewrite_config(out, edit)
    if saved is not None:
        CrossEncoder(out, device="cpu", activation_fn=saved).save_pretrained(out)
    ce = CrossEncoder(out, device="cpu")
    query = "what is it?"
    scores = ce.predict([[query, t] for t in TEXTS])
    raw = ce.predict([[query, t] for t in TEXTS], activation_fn=torch.nn.Identity())
    return dict(kind="rerank", cases=[dict(query=query, texts=TEXTS, answer=[float(x) for x in scores]),
                                      dict(query=query, texts=TEXTS, raw_scores=True, answer=[float(x) for x in raw])])


def sparse(out, cls, config, **kw):
    raw = out + ".raw"
    os.makedirs(raw)
    body(raw, cls, config)
    t = m.Transformer(raw, max_seq_length=80, transformer_task="fill-mask")
    st = SparseEncoder(modules=[t, SpladePooling(**kw)], device="cpu")
    st.save(out)
    shutil.rmtree(raw)
    st = SparseEncoder(out, device="cpu")
    dense = [st.encode([t], convert_to_sparse_tensor=False)[0] for t in TEXTS]
    return dict(kind="sparse", cases=[dict(text=t, answer=[float(x) for x in d]) for t, d in zip(TEXTS, dense)])


def static(out, model2vec=False):
    """A table of words. model2vec's form: tokens that share rows, each with its weight, everything in the repository's own folder."""
    torch.manual_seed(11)
    spec = tinymake.byte_tokenizer()
    spec["truncation"] = dict(direction="Left" if model2vec else "Right", max_length=24, strategy="LongestFirst", stride=0)
    words = Tokenizer.from_str(json.dumps(spec))
    table = torch.randn(V, 26)
    layers = [m.StaticEmbedding(words, embedding_weights=table), m.Normalize()] if model2vec else [
        m.StaticEmbedding(words, embedding_weights=table), m.Dense(26, 18, activation_function=torch.nn.Tanh())]
    st = SentenceTransformer(modules=layers, device="cpu", prompts={"query": "find: "})
    st.save(out)
    if model2vec:
        shutil.rmtree(os.path.join(out, "0_StaticEmbedding"), ignore_errors=True)
        rows = torch.randint(0, 90, (V,))
        save_file({"embeddings": table[:90].half().contiguous(), "mapping": rows, "weights": torch.rand(V, dtype=torch.float64)},
                  os.path.join(out, "model.safetensors"))
        json.dump(spec, open(os.path.join(out, "tokenizer.json"), "w"), ensure_ascii=False, separators=(",", ":"))
        json.dump(dict(model_type="model2vec", architectures=["StaticModel"], normalize=True), open(os.path.join(out, "config.json"), "w"))
        modules = json.load(open(os.path.join(out, "modules.json")))
        modules[0]["path"] = "."
        json.dump(modules, open(os.path.join(out, "modules.json"), "w"))
    st = SentenceTransformer(out, device="cpu")
    return dict(kind="embed", cases=[dict(text=t, **({"prompt_name": p} if p else {}), answer=[float(x) for x in st.encode([t], prompt_name=p)[0]])
                                     for t in TEXTS for p in (None, "query") if t or p])


bert = tf.BertConfig(**BERT)
qwen = tf.Qwen3Config(vocab_size=V, hidden_size=30, intermediate_size=34, num_hidden_layers=2, num_attention_heads=5, num_key_value_heads=1,
                      head_dim=6, max_position_embeddings=128, pad_token_id=259, bos_token_id=256, eos_token_id=257)
gemma = tf.Gemma3TextConfig(vocab_size=V, hidden_size=30, intermediate_size=34, num_hidden_layers=3, num_attention_heads=5, num_key_value_heads=1,
                            head_dim=6, max_position_embeddings=128, sliding_window=9, layer_types=["sliding_attention", "sliding_attention",
                            "full_attention"], use_bidirectional_attention=True, query_pre_attn_scalar=6, pad_token_id=259, bos_token_id=256,
                            eos_token_id=257)
ROBERTA = {**BERT, "pad_token_id": 1, "type_vocab_size": 1}
ROTARY = dict(vocab_size=V, hidden_size=30, num_hidden_layers=2, num_attention_heads=5, intermediate_size=34, max_position_embeddings=128,
              pad_token_id=259)
identity = torch.nn.Identity()
one = dict(num_labels=1)
MODELS = {
    "static": lambda o: static(o),
    "static-shared": lambda o: static(o, model2vec=True),
    "cls-unit": lambda o: sentence(o, tf.BertModel, bert, lambda w: [m.Pooling(w, "cls"), m.Normalize()],
                                   prompts={"query": "query: ", "passage": "passage: "}),
    "concat-dense": lambda o: sentence(o, tf.BertModel, bert, lambda w: [
        m.Pooling(w, ("cls", "max", "mean")), m.Dense(3 * w, 20), m.LayerNorm(20), m.Dense(20, 24, bias=False, activation_function=torch.nn.Identity()),
        m.Normalize()]),
    "no-prompt": lambda o: sentence(o, tf.RobertaModel, tf.RobertaConfig(**{**BERT, "pad_token_id": 1, "type_vocab_size": 1}), lambda w: [
        m.Pooling(w, ("weightedmean", "mean_sqrt_len_tokens"), include_prompt=False)], prompts={"q": "find this: "}, default="q"),
    "last-token": lambda o: sentence(o, tf.Qwen3Model, qwen, lambda w: [m.Pooling(w, "lasttoken"), m.Normalize()],
                                     prompts={"query": "Instruct: find\nQuery:"}),
    "minilm": lambda o: sentence(o, tf.BertModel, bert, lambda w: [m.Pooling(w, "mean"), m.Normalize()], max_seq_length=24, do_lower_case=True),
    "e5": lambda o: sentence(o, tf.XLMRobertaModel, tf.XLMRobertaConfig(**ROBERTA), lambda w: [m.Pooling(w, "mean"), m.Normalize()],
                             prompts={"query": "query: ", "passage": "passage: "}, default="passage"),
    "mpnet": lambda o: sentence(o, tf.MPNetModel, tf.MPNetConfig(**ROBERTA), lambda w: [
        m.Pooling(w, "mean"), m.Normalize()]),
    "gte": lambda o: sentence(o, tf.GteModel, tf.GteConfig(**ROTARY), lambda w: [m.Pooling(w, "cls")]),
    "nomic": lambda o: sentence(o, tf.NomicBertModel, tf.NomicBertConfig(**ROTARY), lambda w: [m.Pooling(w, "mean"), m.LayerNorm(w), m.Normalize()],
                                prompts={"search_query": "search_query: ", "search_document": "search_document: "}),
    "modernbert-embed": lambda o: sentence(o, tf.ModernBertModel, tf.ModernBertConfig(**{k: v for k, v in BERT.items() if k != "type_vocab_size"},
                                           local_attention=14), lambda w: [m.Pooling(w, "mean"), m.Normalize()],
                                           prompts={"query": "search_query: ", "document": "search_document: "}),
    "embedding-gemma": lambda o: sentence(o, tf.Gemma3TextModel, gemma, lambda w: [
        m.Pooling(w, "mean"), m.Dense(w, 40, bias=False, activation_function=identity), m.Dense(40, w, bias=False, activation_function=identity),
        m.Normalize()], prompts={"query": "task: search result | query: ", "document": "title: none | text: "}),
    "cross-bert": lambda o: cross(o, tf.BertForSequenceClassification, tf.BertConfig(**BERT, **one)),
    "cross-saved": lambda o: cross(o, tf.BertForSequenceClassification, tf.BertConfig(**BERT, **one), saved=identity),
    "dense-residual": lambda o: sentence(o, tf.BertModel, bert, lambda w: [
        m.Pooling(w, "max"), m.Dropout(0.1), m.Dense(w, w, activation_function=torch.nn.GELU(), use_residual=True),
        m.Dense(w, 18, activation_function=torch.nn.Tanh(), use_residual=True)]),
    "cross-bert-untyped": lambda o: cross(o, tf.BertForSequenceClassification, tf.BertConfig(**BERT, **one), pair_types=False),
    "cross-roberta": lambda o: cross(o, tf.XLMRobertaForSequenceClassification, tf.XLMRobertaConfig(
        **{**BERT, "pad_token_id": 1, "type_vocab_size": 1}, **one), pair_types=False,
        edit=lambda c: {**c, "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "5.0.0"}}),
    "cross-modernbert": lambda o: cross(o, tf.ModernBertForSequenceClassification, tf.ModernBertConfig(
        **{k: v for k, v in BERT.items() if k != "type_vocab_size"}, local_attention=14, classifier_pooling="mean", **one), pair_types=False),
    "cross-distilbert": lambda o: cross(o, tf.DistilBertForSequenceClassification, tf.DistilBertConfig(
        vocab_size=V, dim=30, n_layers=2, n_heads=5, hidden_dim=34, max_position_embeddings=90, pad_token_id=259, **one), pair_types=False),
    "cross-qwen3": lambda o: cross(o, tf.Qwen3ForSequenceClassification, tf.Qwen3Config(**{**qwen.to_diff_dict(), **one}), pair_types=False),
    "splade": lambda o: sparse(o, tf.BertForMaskedLM, bert),
    "splade-sum": lambda o: sparse(o, tf.DistilBertForMaskedLM, tf.DistilBertConfig(vocab_size=V, dim=30, n_layers=2, n_heads=5, hidden_dim=34,
                                   max_position_embeddings=90, pad_token_id=259), pooling_strategy="sum", activation_function="log1p_relu"),
}

if __name__ == "__main__":
    out, wanted = sys.argv[1] if len(sys.argv) > 1 else "tests/st", sys.argv[2:]
    os.makedirs(out, exist_ok=True)
    for name, make in MODELS.items():
        if wanted and name not in wanted:
            continue
        folder = os.path.join(out, name)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(folder + ".raw", ignore_errors=True)
        x = make(folder)
        for f in ("README.md",):
            if os.path.exists(os.path.join(folder, f)):
                os.remove(os.path.join(folder, f))
        json.dump(x, open(os.path.join(folder, "expected.json"), "w"))
        print(name, sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(folder) for f in fs) // 1024, "KB", flush=True)
