"""`loom quantize FOLDER OUT.gguf`: of every tiny model that can be written the file gives the folder's states bit for bit, and gguf-py reads it; the others are
refused with the reason."""
import json
import re
import shutil
import subprocess

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Q
from safetensors.numpy import load_file, save_file

from conftest import MODELS, tensors

# what a model of a family with GGUF names has that no key says
REFUSED = {
    "bert-mlm": "act of layer 0", "bloom-on-norm": "add of layer 0", "falcon-rw": "its size", "gemma2-uncapped": "its size",
    "gemma3": "attend of layer 0", "gemma3-both-ways": "attend of layer 0", "tower-gemma3": "attend of layer 0", "gpt-oss": "experts of layer 0",
    "gpt2-base": "attend of layer 0", "gpt2-variant": "act of layer 0", "llama-dynamic": "rotary embedding", "llama-longrope": "rotary embedding",
    "llama-odd": "gate of layer 0", "modernbert-biases": "norm of layer -1", "phi-norms": "its size", "phimoe": "chooses experts",
    "phimoe-longrope": "rotary embedding", "qwen2-moe": "would not be read", "qwen2-moe-norm": "would not be read",
    "qwen2-moe-window": "attend of layer 2", "qwen2-window": "attend of layer 1", "qwen3-moe-stacked": "chooses experts", "smollm3-window": "its size",
}
REFUSED |= {
    "qwen3-next-dense": "would not be read",
    "jina_embeddings_v3-flash": "in another form",
    "deepseek-v2-lite": "linear of layer 0", "deepseek-v3-plain": "rotary embedding", "dots1": "attend of layer 2", "ernie4_5_moe": "would not be read",
    "lfm2_moe-plain": "would not be read", "mt5": "buckets of distances", "nemotron_h": "would not be read", "nemotron_h-old": "would not be read",
    "t5": "buckets of distances", "t5-whole": "buckets of distances", "umt5": "buckets of distances",
}
ENCODERS = {"bert", "modernbert", "nomic_bert", "nomic_bert-own", "roberta", "roberta-mlm", "xlm-roberta", "camembert", "data2vec-text", "distilbert", "eurobert", "t5",
            "t5-gated", "mt5", "umt5"}
OTHERS = "no names of its weights in such files are known"


def quantize(loom_bin, folder, out, kind="f32"):
    return subprocess.run([loom_bin, "quantize", str(folder), str(out), "--type", kind], capture_output=True, text=True, timeout=120)


def states(post, model, name):
    if name in ENCODERS:
        r = post("/embed", model=str(model), text="hello there", pooling="mean", normalize=False,
                 capture=dict(name="h", site="hidden", layers="all", positions="all"))
        assert r.status_code == 200, r.text
        return np.array(r.json()["captures"]["h"]["data"])
    expected = load_file(MODELS / name / "expected.safetensors")
    ids = max(([int(x) for x in t.reshape(-1)] for k, t in expected.items() if k.startswith("ids.")), key=len)
    r = post("/generate", model=str(model), prompt=ids, max_tokens=0, return_hidden_states=False, hidden_state_format="safetensors",
             capture=dict(name="h", layers="all", positions="all"))
    return tensors(r)["captures.h"]


def text_of(reader, key):
    return reader.get_field(key).contents()


def check_names(reader):
    """All tensors are float32, and gguf-py has their names for the architecture."""
    arch = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == text_of(reader, "general.architecture"))
    known = {gguf.TENSOR_NAMES[t] for t in gguf.MODEL_TENSORS[arch]} | {"rope_factors_long", "rope_factors_short", "rope_freqs"}
    for t in reader.tensors:
        stem = re.sub(r"blk\.\d+\.", "blk.{bid}.", re.sub(r"\.(weight|bias)$", "", t.name))
        assert t.tensor_type == Q.F32 and stem in known, t.name


@pytest.mark.parametrize("name", sorted(p.name for p in MODELS.iterdir()))
def test_each_tiny_model_is_written_or_refused(post, loom_bin, tmp_path, name):
    path = tmp_path / f"{name}.gguf"
    r = quantize(loom_bin, MODELS / name, path)
    if r.returncode:
        assert OTHERS in r.stderr if name not in REFUSED else REFUSED[name] in r.stderr, r.stderr
        assert not path.exists()
        return
    assert name not in REFUSED
    reader = gguf.GGUFReader(path)
    check_names(reader)
    got, want = states(post, path, name), states(post, MODELS / name, name)
    near = '"llama3"' in (MODELS / name / "config.json").read_text()  # its factors are quotients there, which not every float is
    assert np.abs(got - want).max() <= 2e-5 * np.abs(want).max() if near else np.array_equal(got, want)


# what GGUF can say of models whose tiny ones have more than that: some of their layers, and other numbers in the config
PARTS = {
    "nemotron_h": ([0, 1, 2], dict(layers_block_type=["linear_attention", "mlp", "full_attention"])),
    "nemotron_h ": ([0, 2, 3], dict(layers_block_type=["linear_attention", "full_attention", "moe"])),
    "ernie4_5_moe": ([0, 1, 2], dict(num_hidden_layers=3)),
    "dots1": ([0, 1, 2], dict(sliding_window=None, layer_types=["full_attention"] * 3)),
    "t5": (None, dict(relative_attention_max_distance=128)), "mt5": (None, dict(relative_attention_max_distance=128)),
    "umt5": (None, dict(relative_attention_max_distance=128)),
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_tiny_models(post, loom_bin, tmp_path, part):
    name, (layers, changes) = part.strip(), PARTS[part]
    folder = tmp_path / "part"
    shutil.copytree(MODELS / name, folder)
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    if layers:
        raw = (folder / "model.safetensors").read_bytes()
        n = int.from_bytes(raw[:8], "little")
        head, out, data = json.loads(raw[8:8 + n]), {}, b""
        for key, t in head.items():
            if key == "__metadata__":
                continue
            block = re.search(r"layers\.(\d+)\.", key)
            if block and int(block[1]) not in layers:
                continue
            new = key.replace(block[0], f"layers.{layers.index(int(block[1]))}.") if block else key
            piece = raw[8 + n:][slice(*t["data_offsets"])]
            out[new] = dict(t, data_offsets=[len(data), len(data) + len(piece)])
            data += piece
        text = json.dumps(out).encode()
        (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    r = quantize(loom_bin, folder, tmp_path / "part.gguf")
    assert r.returncode == 0, r.stderr
    check_names(gguf.GGUFReader(tmp_path / "part.gguf"))
    assert np.array_equal(states(post, tmp_path / "part.gguf", name), states(post, folder, name))


@pytest.mark.parametrize("kind,matrix,table", [("q8_0", Q.Q8_0, Q.Q8_0), ("q4_k", Q.Q5_0, Q.Q8_0), ("f16", Q.F16, Q.F16), ("bf16", Q.BF16, Q.BF16)])
def test_types(post, loom_bin, tmp_path, kind, matrix, table):
    """From the folder at once, or by way of a float32 file: the same bytes. Rows of 64 fill no block of 256."""
    folder = tmp_path / "wide"
    shutil.copytree(MODELS / "llama-gqa", folder)
    config = json.loads((folder / "config.json").read_text()) | dict(hidden_size=64, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2,
                                                                      head_dim=16, num_hidden_layers=2)
    (folder / "config.json").write_text(json.dumps(config))
    rng, weights = np.random.default_rng(1), {"model.embed_tokens.weight": (config["vocab_size"], 64), "model.norm.weight": (64,), "lm_head.weight": (config["vocab_size"], 64)}
    for i in range(2):
        b = f"model.layers.{i}."
        weights |= {b + "input_layernorm.weight": (64,), b + "post_attention_layernorm.weight": (64,), b + "self_attn.q_proj.weight": (64, 64),
                    b + "self_attn.k_proj.weight": (32, 64), b + "self_attn.v_proj.weight": (32, 64), b + "self_attn.o_proj.weight": (64, 64),
                    b + "mlp.gate_proj.weight": (96, 64), b + "mlp.up_proj.weight": (96, 64), b + "mlp.down_proj.weight": (64, 96)}
    save_file({k: (rng.standard_normal(s) * 0.2).astype(np.float32) for k, s in weights.items()}, folder / "model.safetensors")
    for source, out, t in ((folder, "a.gguf", kind), (folder, "f.gguf", "f32"), (tmp_path / "f.gguf", "b.gguf", kind)):
        r = quantize(loom_bin, source, tmp_path / out, t)
        assert r.returncode == 0, r.stderr
    a, b = (gguf.GGUFReader(tmp_path / n) for n in ("a.gguf", "b.gguf"))
    assert [t.name for t in a.tensors] == [t.name for t in b.tensors]
    for x, y in zip(a.tensors, b.tensors):
        want = Q.F32 if x.name.endswith("norm.weight") else table if x.name in ("token_embd.weight", "output.weight") else matrix
        assert x.tensor_type == y.tensor_type == want, x.name
        assert np.array_equal(x.data, y.data)
    assert (tmp_path / "a.gguf").stat().st_size == (tmp_path / "b.gguf").stat().st_size


def test_metadata(loom_bin, tmp_path):
    """Sizes, special tokens, the template, and the end of generation that generation_config.json names."""
    folder = tmp_path / "org-name"
    shutil.copytree(MODELS / "llama-gqa", folder)
    (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>")))
    (folder / "generation_config.json").write_text(json.dumps(dict(eos_token_id=[257, 259], bos_token_id=256)))
    r = quantize(loom_bin, folder, tmp_path / "m.gguf")
    assert r.returncode == 0, r.stderr
    config, g = json.loads((folder / "config.json").read_text()), gguf.GGUFReader(tmp_path / "m.gguf")
    for key, value in (("general.architecture", "llama"), ("general.name", "org-name"), ("llama.block_count", config["num_hidden_layers"]),
                       ("llama.embedding_length", config["hidden_size"]), ("llama.attention.head_count", config["num_attention_heads"]),
                       ("llama.attention.head_count_kv", config["num_key_value_heads"]), ("llama.feed_forward_length", config["intermediate_size"]),
                       ("llama.context_length", config["max_position_embeddings"]), ("llama.vocab_size", config["vocab_size"]),
                       ("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", "gpt-2"), ("tokenizer.ggml.eos_token_id", 257),
                       ("tokenizer.ggml.eot_token_id", 259), ("tokenizer.ggml.bos_token_id", 256), ("tokenizer.ggml.padding_token_id", 259),
                       ("tokenizer.ggml.add_bos_token", False), ("tokenizer.chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}")):
        assert text_of(g, key) == value, key
    types = text_of(g, "tokenizer.ggml.token_type")
    assert len(types) == config["vocab_size"] == len(text_of(g, "tokenizer.ggml.tokens")) and types[:4] == [1] * 4 and types[256:260] == [3] * 4


@pytest.mark.parametrize("name,model,pre", [
    ("gpt2", "gpt2", "gpt-2"), ("roberta", None, "cut texts otherwise"), ("llama3", "gpt2", "llama-bpe"), ("qwen2", "gpt2", "qwen2"), ("smollm", "gpt2", "smollm"),
    ("tekken", "gpt2", "tekken"), ("gpt4o", "gpt2", "gpt-4o"), ("llama2", "llama", "default"), ("metaspace", "llama", "default"),
    ("bert-uncased", "bert", "default"), ("xlmr", "t5", "default"), ("bert-cased", None, "uncased BERT"), ("wordlevel", None, "WordLevel"),
    ("fixed", None, "tokenizer.ggml.pre")])
def test_tokenizers(post, loom_bin, tmp_path, name, model, pre):
    """Which model and which pre-tokenizer a tokenizer.json is; and texts are cut alike."""
    folder = tmp_path / "m"
    shutil.copytree(MODELS.parent / "tokenizers" / name, folder)
    root = json.loads((folder / "tokenizer.json").read_text())
    n = max(len(root["model"]["vocab"]), *(t["id"] + 1 for t in root.get("added_tokens") or [dict(id=0)]))
    (folder / "config.json").write_text(json.dumps(dict(
        architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=n,
        rms_norm_eps=1e-5, max_position_embeddings=64, tie_word_embeddings=True)))
    b = "model.layers.0."
    shapes = {"model.embed_tokens": (n, 8), "model.norm": (8,), b + "input_layernorm": (8,), b + "post_attention_layernorm": (8,)}
    shapes |= {b + w: (8, 8) for w in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj",
                                       "mlp.down_proj")}
    save_file({k + ".weight": np.zeros(s, np.float32) for k, s in shapes.items()}, folder / "model.safetensors")
    r = quantize(loom_bin, folder, tmp_path / "m.gguf")
    if model is None:
        assert r.returncode == 1 and pre in r.stderr
        return
    assert r.returncode == 0, r.stderr
    g = gguf.GGUFReader(tmp_path / "m.gguf")
    assert (text_of(g, "tokenizer.ggml.model"), text_of(g, "tokenizer.ggml.pre")) == (model, pre)
    for text in ("Hello there, it's 12345 o'clock\n\n  in Caf\u00e9 \u4e16\u754c", "a  two  spaces"):
        ids = [post("/tokenize", model=str(m), text=text).json()["tokens"] for m in (folder, tmp_path / "m.gguf")]
        assert ids[0] == ids[1]


@pytest.mark.parametrize("folder,number", [("modernbert-embed", 1), ("cls-unit", 2), ("last-token", 3)])
def test_pooling_goes_along(post, loom_bin, tmp_path, folder, number):
    source = MODELS.parent / "st" / folder
    r = quantize(loom_bin, source, tmp_path / "m.gguf")
    assert r.returncode == 0, r.stderr
    g = gguf.GGUFReader(tmp_path / "m.gguf")
    assert text_of(g, text_of(g, "general.architecture") + ".pooling_type") == number
    vectors = [post("/embed", model=str(m), text="Hello there", prompt_name="", normalize=True) for m in (source, tmp_path / "m.gguf")]
    assert vectors[0].json()["embedding"] == vectors[1].json()["embedding"], vectors[1].text


def test_what_is_there_is_not_touched(loom_bin, tmp_path):
    (tmp_path / "m.gguf").write_text("mine")
    r = quantize(loom_bin, MODELS / "llama-gqa", tmp_path / "m.gguf")
    assert r.returncode == 1 and "File exists" in r.stderr and (tmp_path / "m.gguf").read_text() == "mine"


@pytest.mark.parametrize("folder,says", [("quant/gptq4", "quantized already"), ("st/static", "a table of words"), ("st/cross-bert", "classifier"),
                                         ("st/splade", "SPLADE")])
def test_what_is_no_plain_model_is_refused(loom_bin, tmp_path, folder, says):
    r = quantize(loom_bin, MODELS.parent / folder, tmp_path / "m.gguf")
    assert r.returncode == 1 and says in r.stderr and not (tmp_path / "m.gguf").exists(), r.stderr
