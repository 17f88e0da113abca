#!/usr/bin/env python3
"""Compares Loom's tokenizers with `tokenizers` and `transformers` on real vocabularies and on generated ones.

    python3 tools/check-tokenizers.py [--build build] [--random N] [--seed S] [--sdist DIR] [PART ...]

Parts: spm (SentencePiece files under every tokenizer_class, real and trained here), tekken, gguf (the vocabularies
of llama.cpp: --sdist is the unpacked vendor/llama.cpp/models of llama-cpp-python's source archive), stages
(made-up pipelines of every stage and option), real (all-MiniLM, SmolLM2), bert, gpt2. Run by hand; needs
tokenizers, transformers, sentencepiece, mistral-common. Each part writes a folder with cases.json and runs
build/tests/unit/test_tokenizer (or test_tok_gguf) on it: ids, offsets, masks, types, decoding whole and streamed."""
import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("fixtures", HERE / "make-tokenizer-fixtures.py")
fx = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fx)

failed = []


def run(args, program, *words):
    r = subprocess.run([args.build / "tests" / "unit" / program, *map(str, words)], capture_output=True, text=True)
    return r.returncode == 0, (r.stdout + r.stderr)


def check(args, name, folder, tokenizer):
    """tokenizer: what the library makes of the folder."""
    fx.write_cases(tokenizer, folder, args)
    ok, out = run(args, "test_tokenizer", folder)
    n = len(json.loads((folder / "cases.json").read_text())["cases"])
    print(f"{'ok  ' if ok else 'FAIL'} {name} ({n} texts)", flush=True)
    if not ok:
        failed.append(name)
        print("\n".join(out.splitlines()[:args.lines]))


def auto(folder):
    from transformers import AutoTokenizer
    return AutoTokenizer.from_pretrained(folder)._tokenizer


# --- SentencePiece

SPM = {
    "unigram": dict(model_type="unigram", vocab_size=600),
    "unigram-bytes": dict(model_type="unigram", vocab_size=800, byte_fallback=True, character_coverage=0.98),
    "bpe-bytes": dict(model_type="bpe", vocab_size=900, byte_fallback=True, character_coverage=0.98),
    "bpe-identity": dict(model_type="bpe", vocab_size=600, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=False),
    "bpe-user": dict(model_type="bpe", vocab_size=700, user_defined_symbols=["<sep>", "ab", "a.b", "▁the", "\t", "[x]"], byte_fallback=True),
    "gemma": dict(model_type="bpe", vocab_size=900, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, bos_piece="<bos>", eos_piece="<eos>", user_defined_symbols=["<mask>",
        "<2mass>", "▁▁", "\n\n"]),
    "t5": dict(model_type="unigram", vocab_size=600, pad_id=0, eos_id=1, unk_id=2, bos_id=-1),
    "albert": dict(model_type="unigram", vocab_size=600, pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"]),
}
CLASSES = {
    "unigram": [{}, {"legacy": False}, {"tokenizer_class": "XLMRobertaTokenizer"}, {"tokenizer_class": "XLMRobertaTokenizerFast",
        "add_prefix_space": False, "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False,
        "single_word": False}}, {"tokenizer_class": "CamembertTokenizer"}],
    "unigram-bytes": [{}, {"add_bos_token": True, "add_eos_token": True}, {"tokenizer_class": "Odd", "legacy": False}],
    "bpe-bytes": [{}, {"tokenizer_class": "LlamaTokenizer"}, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": True},
        {"tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": False, "add_eos_token": True}, {"tokenizer_class": "CodeLlamaTokenizer"}],
    "bpe-identity": [{}, {"legacy": False}],
    "bpe-user": [{}, {"legacy": False, "add_bos_token": True}, {"tokenizer_class": "LlamaTokenizer"}],
    "gemma": [{"tokenizer_class": "GemmaTokenizer", "add_bos_token": True}, {}],
    "t5": [{"tokenizer_class": "T5Tokenizer"}, {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "additional_special_tokens":
        [f"<extra_id_{i}>" for i in range(100)]}],
    "albert": [{"tokenizer_class": "AlbertTokenizer"}, {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True},
        {"tokenizer_class": "DebertaV2Tokenizer", "unk_token": "<unk>", "pad_token": "<pad>"},
        {"tokenizer_class": "DebertaV2Tokenizer", "do_lower_case": True, "split_by_punct": True, "unk_token": "<unk>", "pad_token": "<pad>"}],
}


def spm(args, tmp):
    for kind, configs in CLASSES.items():
        for i, config in enumerate(configs):
            folder = tmp / f"spm-{kind}-{i}"
            folder.mkdir()
            fx.train_spm(folder, **SPM[kind])
            fx.dump(folder / "tokenizer_config.json", config)
            try:
                t = auto(folder)
            except Exception as e:
                print(f"skip spm {kind} {config}: the library says {e!r}"[:300])
                continue
            check(args, f"spm {kind} {json.dumps(config)[:90]}", folder, t)
    import mistral_common
    data = pathlib.Path(mistral_common.__file__).parent / "data"
    for model in sorted(data.glob("*.model*")):
        for config in ({}, {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "legacy": False}):
            folder = tmp / f"{model.name}-{len(config)}"
            folder.mkdir()
            shutil.copy(model, folder / "tokenizer.model")
            fx.dump(folder / "tokenizer_config.json", config)
            check(args, f"{model.name} {config.get('tokenizer_class', '')}", folder, auto(folder))


PARTS = {"spm": spm}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("parts", nargs="*", default=list(PARTS))
    p.add_argument("--build", type=pathlib.Path, default=HERE.parent / "build")
    p.add_argument("--random", type=int, default=300)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lines", type=int, default=20)
    p.add_argument("--sdist", type=pathlib.Path)
    p.add_argument("--keep", type=pathlib.Path)
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = args.keep or pathlib.Path(tmp)
        for part in args.parts:
            PARTS[part](args, tmp)
    print(f"{len(failed)} failed: {failed}" if failed else "all as expected")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
