#!/usr/bin/env python3
"""Writes tests/tokenizers/: small tokenizers trained here, with what `tokenizers` says of many texts.

    python3 tools/make-tokenizer-fixtures.py [--only NAME] [--random N] [--seed S] [--from TOKENIZER.json] [OUT]

Each folder holds a tokenizer (tokenizer.json, or the older files) and cases.json: for every text its ids and
offsets with and without special tokens, the mask, the decoded text both ways, and cut to a few lengths.
Tokenizers that are there are kept; --train makes them anew (the trainers break ties at random).
--random adds N made-up texts (for checks by hand; the committed files have 36). --from writes only the cases
of an existing file into OUT. Needs tokenizers and transformers; the committed files are of tokenizers 0.23.3."""
import argparse
import json
import pathlib
import random
import struct

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SHORT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = SHORT + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + TAIL
QWEN2 = LLAMA3.replace("{1,3}", "")
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(suffix, digits):
    lead = r"[^\r\n\p{L}\p{N}]?"
    return f"{lead}{UP}*{LOW}+{suffix}|{lead}{UP}+{LOW}*{suffix}|{digits}" + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + TAIL


TEKKEN, GPT4O = cased("", r"\p{N}"), cased(SHORT + "?", r"\p{N}{1,3}")

CORPUS = """The quick brown fox jumps over the lazy dog. It's what we'd hoped they'll do; I've said so, haven't you?
def forward(self, hidden_states, attention_mask=None):\n    return self.norm(hidden_states) * 2.0  # residual stream
for (size_t i = 0; i < n_layer; i++) {\n\tsum += weights[i] * x[i];\n}
Les élèves français étaient très occupés à l'école, où ça se passe naïvement. Ärger über Öl, Straße und Größe.
Быстрая коричневая лиса прыгает через ленивую собаку. Привет, мир! Как дела сегодня?
敏捷的棕色狐狸跳过了懒狗。你好，世界！今天天气很好。日本語のテキストをトークンに分割します。こんにちは世界。
한국어 문장도 있습니다. 안녕하세요 세계! مرحبا بالعالم، كيف حالك اليوم؟ שלום עולם מה שלומך היום
In 2024 there were 1234567 tokens, 3.14159 of pi, and 100% of 42 answers. HTTP/1.1 200 OK https://example.com/a?b=c
The hidden states of the model are captured at every layer, before and after the attention, in the residual stream.
Emoji 😀😃🚀 and 👩‍👩‍👧‍👦 families, flags 🇩🇪🇫🇷, and symbols ∑∏∫ ≤ ≥ → ← ©®™.
"""

TEXTS = [
    "", " ", "  ", "\n", "\t\t", "a", " a", "a ", "  a  ", "Hello, world!", "hello world", "HELLO WORLD", "The quick brown fox.",
    "It's what we'd hoped they'll do; I'VE, DON'T, 'S 'T ſ'ſ 'Re", "don't can't won't isn't he'll I'm we've they're",
    "naïve café résumé Ärger Größe Straße ÀÉÎÕÜ", "nai\u0308ve cafe\u0301 re\u0301sume\u0301 A\u030a\u0323 \u1e9b\u0323",
    "İstanbul ıI İİ i̇", "ΑΣ ΣΑΣ ὈΔΥΣΣΕΎΣ ς", "Привет, мир! Ёлка й", "敏捷的棕色狐狸", "你好，世界！abc中文def", "日本語のテキスト。カタカナ ｶﾀｶﾅ",
    "안녕하세요 세계", "\u1112\u1161\u11ab\u1100\u1173\u11af", "مرحبا بالعالم، كيف حالك", "שָׁלוֹם עוֹלָם", "हिन्दी में पाठ क्षत्रिय", "ภาษาไทยไม่มีวรรค",
    "😀", "👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 ❤️ 1️⃣", "a😀b", "∑∏∫ ≤≥ →← ©®™ ½¼²³ Ⅷ ① ٣٤ ۵ ೬", "\x00", "a\x00b", "\x01\x02\x1b[0m\x7f\x80\x85\u00a0\u00ad",
    "\u200b\u200c\u200d\u200e\ufeff\ufffd\ufffe", "\u2028\u2029\u3000\u1680\u180e\u2003x", "\ue000\U000f0000\U0010ffff", "\u0378\u0379\U0001f6e0",
    "a" * 50, " " * 40 + "x", "x" + " " * 40, "\n\n\n\nx\n\n", "a\r\nb\r\n\r\nc\rd", " \n \n  \t x", "x  \n  y", "tab\tsep\tvalues\n",
    "def f(x):\n    return x**2  # ok\n\n\nclass A:\n\tpass\n", "if (a->b[i] != NULL && *p++ == '\\0') { /* c */ }", "{\"k\": [1, 2.5e-3, null]}",
    "1234567890 12 345 6 007 3.14159 1,000,000", "a1b22c333d4444", "http://example.com/a/b?c=d&e=f#g", "user@example.com", "C:\\Program Files\\x",
    "!!!???...---===", "«quotes» “curly” ‘single’ —dash– …", "ab" * 60, "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "hello<|endoftext|>world", "<|endoftext|>", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext",
    "[CLS] hello [SEP] [MASK] [UNK] [PAD]", "a [MASK]. b[MASK]c  [MASK]  d", "<s>hi</s> <mask> <pad><unk>", "the  <mask>  end", "<mask>", "x <mask>",
    "NEWTOK newtok NewTok xNEWTOKx x NEWTOK y", "<l>  a  <l>  <r>  b  <r>  <b>  c  <b>", "<w> x<w> <w>x 中<w>中 _<w> -<w>-", "ab abc abcd abab",
    "ÀTOK àtok a\u0300tok", "<l><r><b><w>", "  <l>", "<r>  ", "<b>  <b>", "<0x41><0x0A><0xFF>", "▁hello▁world ▁ x", "Ġhello ĠĠ Ċ", "##ing un##x",
    "ø å æ ð", "ŁłŃń œŒ ĲĳǅǄ ﬁﬂ ﬃ Å Ω ㋿ ⁿ", "e\u0301\u0301 \u0301 a\u0301 \u0301\u0301x", "\u0344 \u1fc1 \u212b\u2126 \u0958 \ufb1d", "x\u0323\u0307 x\u0307\u0323",
    "中a文b", "\U0002a700\U0002b820\U0002b920\U0002ceb0", "a\u2e43b\u30fbc\u061fd", "don t", "a.b,c?d!e", "$100 + 5% = ^x~`|y", "CamelCaseWords HTTPServer iPhone",
    "snake_case_name __init__", "McDonald's O'Neil l'été", "A\u030aB", "ǅungla ǆ Ǆ ʰʷ ª º", "\u0345\u03b9", "x\u0301\u200dy", "  leading and   inner  spaces ",
]

PIECES = list("abcxyzABCXYZ0123456789 .,!?'\"-_()[]{}<>/\\\n\t\r@#$%^&*+=~`|;:") + [" ", " ", "  ", "the", "ing", " of", "'s", "'LL", "ſ",
    "é", "e\u0301", "ß", "İ", "ı", "Σ", "ς", "й", "и\u0306", "中", "文", "日本", "ア", "ｱ", "한", "\u1112\u1161", "ا", "ل", "שׁ", "क्ष", "ไ",
    "😀", "👍🏽", "\u200d", "\ufe0f", "🇩", "\u0300", "\u0301", "\u0323", "\u0b3e", "\x00", "\x1f", "\x7f", "\x85", "\xa0", "\xad", "\u2003", "\u3000",
    "\u200b", "\u2028", "\ufeff", "\ufffd", "½", "²", "Ⅷ", "①", "٣", "ﬁ", "Å", "Ω", "Ǆ", "ª", "ʰ", "Ġ", "▁", "##", "<|endoftext|>", "[MASK]", "<mask>",
    "<s>", "</s>", "<l>", "<r>", "<b>", "<w>", "NEWTOK", "newtok", "abc", "[UNK]", "<0x41>", "<unk>", "\U0002b820", "\u2e43", "…", "—", "“", "。", "，"]


def random_texts(n, seed):
    rng = random.Random(seed)
    out = []
    for _ in range(n):
        s = "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 24)))
        if rng.random() < 0.3:
            s += "".join(chr(c) for c in (rng.randrange(1, 0x3000) for _ in range(rng.randint(1, 8))))
        if rng.random() < 0.1:
            s += "".join(chr(c) for c in (rng.randrange(0x10000, 0x1FFFF) for _ in range(rng.randint(1, 4))))
        out.append(s)
    return out


def byte_bpe(pre, vocab=480, norm=None, **kw):
    t = Tokenizer(models.BPE(**kw))
    if norm:
        t.normalizer = norm
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False))
    return t


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])


def around(before, after, ids):
    single = " ".join(before + ["$A"] + after)
    return processors.TemplateProcessing(single=single, special_tokens=[(s, ids[s]) for s in dict.fromkeys(before + after)])


def gpt2():
    t = byte_bpe(pre_tokenizers.ByteLevel(False))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def roberta():
    t = byte_bpe(pre_tokenizers.ByteLevel(True))
    t.add_special_tokens(["<s>", "</s>", "<pad>", AddedToken("<mask>", lstrip=True, special=True)])
    t.post_processor = processors.RobertaProcessing(("</s>", t.token_to_id("</s>")), ("<s>", t.token_to_id("<s>")))
    return t


def trimmed():
    t = byte_bpe(pre_tokenizers.ByteLevel(False))
    t.add_tokens([AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True)])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True, add_prefix_space=False)])
    return t


def llama3():
    t = byte_bpe(split(LLAMA3), ignore_merges=True)
    t.add_special_tokens(["<|begin|>", "<|end|>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False),
        around(["<|begin|>"], [], {"<|begin|>": t.token_to_id("<|begin|>")})])
    return t


def added():
    t = byte_bpe(pre_tokenizers.ByteLevel(False), norm=normalizers.Lowercase())
    t.add_special_tokens([AddedToken("<s>", special=True, normalized=False), AddedToken("<mask>", lstrip=True, special=True)])
    t.add_tokens([AddedToken("<l>", lstrip=True), AddedToken("<r>", rstrip=True), AddedToken("<b>", lstrip=True, rstrip=True),
        AddedToken("<w>", single_word=True), AddedToken("NEWTOK", normalized=True), AddedToken("ab", normalized=False),
        AddedToken("abcd", normalized=False), AddedToken("ÀTOK", normalized=True), AddedToken("ø", normalized=False),
        AddedToken("中", single_word=True, normalized=False)])
    return t


def wordpiece(vocab=500, **kw):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(**kw)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.train_from_iterator([CORPUS], trainers.WordPieceTrainer(vocab_size=vocab, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        show_progress=False))
    t.post_processor = around(["[CLS]"], ["[SEP]"], {s: t.token_to_id(s) for s in ("[CLS]", "[SEP]")})
    t.decoder = decoders.WordPiece(prefix="##")
    return t


def bert_processing():
    t = wordpiece(lowercase=True, strip_accents=False, handle_chinese_chars=False, clean_text=False)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    return t


def sentence_bpe(metaspace):
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if metaspace:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    lines = [s + "\n" for s in CORPUS.replace(" ", "▁" if not metaspace else " ").split("\n")]
    t.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=620, special_tokens=specials, show_progress=False, max_token_length=12))
    # the trainer marks all of them special; real files keep the bytes as plain tokens
    spec = json.loads(t.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    t = Tokenizer.from_str(json.dumps(spec))
    t.post_processor = around(["<s>"], [], {"<s>": 1})
    last = [decoders.Metaspace(prepend_scheme="first")] if metaspace else [decoders.Strip(" ", 1, 0)]
    first = [] if metaspace else [decoders.Replace("▁", " ")]
    t.decoder = decoders.Sequence(first + [decoders.ByteFallback(), decoders.Fuse()] + last)
    return t


def affixes():
    t = Tokenizer(models.BPE(unk_token="<unk>", continuing_subword_prefix="##", end_of_word_suffix="</w>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous")])
    t.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], end_of_word_suffix="</w>",
        continuing_subword_prefix="##", show_progress=False))
    return t


def compat():
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Digits(False),
        pre_tokenizers.Split(Regex("[aeiou]+"), "merged_with_previous"), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], show_progress=False))
    t.decoder = decoders.Metaspace()
    return t


def charsmap(rules):
    """SentencePiece's form of a table of replacements: a double-array trie over bytes, and the texts."""
    texts, entries = b"", {}
    for key, text in rules.items():
        entries[key.encode()] = len(texts)
        texts += text.encode() + b"\0"
    units = {0: 0}

    def place(at, items):
        labels = sorted({k[0] for k in items if k})
        slots = ([0] if b"" in items else []) + labels
        base = next(b for b in range(1, 1 << 20) if all(b ^ c not in units for c in slots))
        units[at] |= (at ^ base) << 10 | (b"" in items) << 8
        for c in slots:
            units[base ^ c] = c
        if b"" in items:
            units[base] = 1 << 31 | items[b""]
        for c in labels:
            place(base ^ c, {k[1:]: v for k, v in items.items() if k and k[0] == c})

    place(0, entries)
    n = max(units) // 256 * 256 + 256
    return struct.pack("<I", 4 * n) + struct.pack(f"<{n}I", *(units.get(i, 0) for i in range(n))) + texts


RULES = {"\t": " ", "\n": " ", "\r": " ", "\x01": "", "\x1b": "", "\u200b": "", "\u3000": " ", "\xa0": " ", "ａ": "a", "Ａ": "A", "ﬁ": "fi",
    "ﬃ": "ffi", "½": "1⁄2", "①": "1", "²": "2", "e\u0301": "é", "\u0301": "´", "\u1112\u1161\u11ab": "한", "\u1112": "ᄒ", "Å": "Å", "Ω": "Ω", "Ⅷ": "VIII",
    "ｱ": "ア", "ｶ": "カ", "…": "...", "©": "(c)", "\r\n": " ", "㋿": "令和", "ﷺ": "صلى الله عليه وسلم", "\u0600": "#", "ʰ": "h", "！": "!", "，": ",", "🇩": "D"}


def unigram(norm, pre, decoder, specials, byte_fallback=False, unk="<unk>"):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer, t.decoder = norm, pre, decoder
    t.train_from_iterator(CORPUS.split("\n"), trainers.UnigramTrainer(vocab_size=420, special_tokens=specials, unk_token=unk, show_progress=False,
        max_piece_length=8))
    if byte_fallback:
        spec = json.loads(t.to_str())
        low = min(v for _, v in spec["model"]["vocab"]) - 1
        spec["model"]["vocab"] += [[f"<0x{b:02X}>", low] for b in range(256) if b not in (0x07, 0xF1)]
        spec["model"]["byte_fallback"] = True
        t = Tokenizer.from_str(json.dumps(spec))
    return t


def xlmr():
    pre = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t = unigram(normalizers.Precompiled(charsmap(RULES)), pre, decoders.Metaspace(), ["<s>", "<pad>", "</s>", "<unk>"])
    t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return t


def t5():
    t = unigram(normalizers.Sequence([normalizers.Nmt(), normalizers.Precompiled(charsmap(RULES)), normalizers.Replace(Regex(" {2,}"), " ")]),
        pre_tokenizers.Metaspace(prepend_scheme="first", split=False), decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(
        prepend_scheme="first")]), ["<pad>", "</s>", "<unk>"], byte_fallback=True)
    t.add_special_tokens(["<extra_id_0>", "<mask>"])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", 1)])
    return t


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    t.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.UnicodeScripts(),
        pre_tokenizers.Punctuation("merged_with_next")])
    t.train_from_iterator([CORPUS], trainers.WordLevelTrainer(vocab_size=300, special_tokens=["[UNK]", "[PAD]", "|"], show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="[PAD]:2 $A:1 |", pair="$B:1 [PAD]:3 $A:4 |", special_tokens=[("[PAD]", 1), ("|", 2)])
    t.decoder = decoders.CTC(pad_token="[PAD]")
    return t


def fixed():
    t = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    t.pre_tokenizer = pre_tokenizers.FixedLength(4)
    t.train_from_iterator([CORPUS], trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False))
    t.decoder = decoders.Sequence([decoders.BPEDecoder(), decoders.Replace(Regex("[aeiou]"), "*"), decoders.Strip(" ", 1, 0)])
    return t


VARIANTS = {
    "xlmr": xlmr, "t5": t5, "wordlevel": wordlevel, "fixed": fixed,
    "gpt2": gpt2, "roberta": roberta, "trimmed": trimmed, "llama3": llama3, "added": added,
    "qwen2": lambda: byte_bpe(split(QWEN2), norm=normalizers.NFC()),
    "tekken": lambda: byte_bpe(split(TEKKEN), ignore_merges=True),
    "gpt4o": lambda: byte_bpe(split(GPT4O)),
    "smollm": lambda: byte_bpe(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False)])),
    "bert-uncased": lambda: wordpiece(lowercase=True), "bert-cased": lambda: wordpiece(lowercase=False), "bert-odd": bert_processing,
    "llama2": lambda: sentence_bpe(False), "metaspace": lambda: sentence_bpe(True), "affixes": affixes, "compat": compat,
}
OLD_MERGES = {"gpt2", "qwen2", "smollm"}  # "a b" instead of ["a", "b"]
NO_TYPE = {"gpt2", "bert-cased"}          # older files do not name the model's type


def case(t, text):
    full, plain = t.encode(text), t.encode(text, add_special_tokens=False)
    out = {"text": text, "ids": full.ids, "offsets": [list(o) for o in full.offsets], "special": full.special_tokens_mask}
    if plain.ids != full.ids:
        out["plain"] = plain.ids
    if plain.offsets != full.offsets[full.special_tokens_mask.index(0) if 0 in full.special_tokens_mask else 0:][:len(plain.ids)]:
        out["plain_offsets"] = [list(o) for o in plain.offsets]
    out["decoded"] = t.decode(full.ids, skip_special_tokens=False)
    out["decoded_skip"] = t.decode(full.ids, skip_special_tokens=True)
    return out


def pair(t, a, b):
    e = t.encode(a, b)
    return {"text": a, "pair": b, "ids": e.ids, "offsets": [list(o) for o in e.offsets], "types": e.type_ids, "special": e.special_tokens_mask}


def cut_pair(t, a, b, n, strategy, side):
    t.enable_truncation(n, strategy=strategy, direction=side)
    try:
        e = t.encode(a, b)
        out = {"ids": e.ids, "offsets": [list(o) for o in e.offsets], "types": e.type_ids}
    except Exception:
        out = {"ids": None}
    t.no_truncation()
    return {"text": a, "pair": b, "max": n, "strategy": strategy, "left": side == "left", **out}


def pairs(t):
    n = t.num_special_tokens_to_add(True)
    out = [pair(t, a, b) for a, b in (("Hello, world!", " The quick  fox."), ("", "a"), ("a b", ""), ("", ""), ("é 中", "😀 don't <mask> x"))]
    for a, b in (("one two three four", "five six"), ("a", "the lazy dog jumps"), ("x y z", "x y z")):
        for k in (max(n, 1), n + 2, n + 4, n + 7):
            for strategy in ("longest_first", "only_first", "only_second"):
                out.append(cut_pair(t, a, b, k, strategy, "left" if k == n + 7 else "right"))
    return out


def cut(t, text, n):
    t.enable_truncation(n)
    e = t.encode(text)
    t.no_truncation()
    return {"text": text, "max": n, "ids": e.ids, "offsets": [list(o) for o in e.offsets]}


def random_decodes(t, n, seed):
    rng = random.Random(seed)
    out = []
    for _ in range(n):
        ids = [rng.randrange(t.get_vocab_size() + 3) for _ in range(rng.randint(1, 12))]
        out.append({"ids": ids, "decoded": t.decode(ids, skip_special_tokens=False), "decoded_skip": t.decode(ids, skip_special_tokens=True)})
    return out


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


SCRIPTS = [(0x41, 0x7A), (0xC0, 0x24F), (0x250, 0x2FF), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F), (0x591, 0x5F4), (0x600, 0x6FF),
    (0x700, 0x74F), (0x780, 0x7B1), (0x7C0, 0x7FA), (0x800, 0x83E), (0x900, 0x97F), (0x980, 0x9FE), (0xA01, 0xA76), (0xA81, 0xAFF), (0xB01, 0xB77),
    (0xB82, 0xBFA), (0xC00, 0xC7F), (0xC80, 0xCF2), (0xD00, 0xD7F), (0xD81, 0xDF4), (0xE01, 0xE5B), (0xE81, 0xEDF), (0xF00, 0xFDA), (0x1000, 0x109F),
    (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137C), (0x13A0, 0x13FD), (0x1401, 0x167F), (0x1680, 0x169C), (0x16A0, 0x16F8), (0x1780, 0x17F9),
    (0x1800, 0x18AA), (0x1900, 0x194F), (0x1A00, 0x1A1F), (0x1B00, 0x1B7E), (0x1E00, 0x1FFE), (0x2000, 0x206F), (0x2070, 0x209C), (0x20A0, 0x20C0),
    (0x2100, 0x218B), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x2800, 0x28FF), (0x2C00, 0x2C5F), (0x2D30, 0x2D7F), (0x2E80, 0x2FD5),
    (0x3000, 0x303F), (0x3041, 0x309F), (0x30A0, 0x30FF), (0x3105, 0x312F), (0x3131, 0x318E), (0x3200, 0x33FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA000, 0xA48C), (0xA4D0, 0xA6F7), (0xA840, 0xA877), (0xAC00, 0xD7A3), (0xF900, 0xFAD9), (0xFB00, 0xFDFF), (0xFE20, 0xFE6B), (0xFF01, 0xFFEE),
    (0x10000, 0x100FA), (0x10330, 0x1034A), (0x10400, 0x1044F), (0x11000, 0x11075), (0x12000, 0x123FF), (0x13000, 0x1342F), (0x1D400, 0x1D7FF),
    (0x1E900, 0x1E95F), (0x1F000, 0x1FAFF), (0x20000, 0x2A6DF), (0x2B740, 0x2B91D), (0x30000, 0x3134A), (0xE0020, 0xE007F)]


def corpus(n, seed, special):
    """At least n strings: every script, code, controls, emoji sequences, long runs, special tokens written out."""
    rng = random.Random(seed)
    pick, many = rng.choice, lambda make, a, b: "".join(make() for _ in range(rng.randint(a, b)))
    letter = lambda: chr(rng.randint(*pick(SCRIPTS)))
    of = lambda span: lambda: " " if rng.random() < 0.15 else chr(rng.randint(*span))
    emoji = lambda: pick("😀👩👨👧❤🏳👍🇩🇪☺🧑🏿") + pick(["", "\u200d", "\ufe0f", "🏽", "\u200d👩", "\u20e3"])
    code = lambda: pick(["def ", "(x)", ":\n", "    ", "\t", "return ", "for(int i=0;i<n;i++)", "{", "}", "->", "::", "//", "/* */", "0x1F", "1e-5", "\"s\\n\"", "'c'",
        "camelCase", "snake_case", "#include", "<T>", "&&", "||", "!=", "==", "+=", "\r\n", ";\n", "$VAR", "@decorator", "[0]", "λ", "SELECT * FROM t", "</div>"])
    control = lambda: chr(pick([0, 1, 9, 10, 11, 12, 13, 27, 28, 31, 127, 128, 133, 159, 160, 173, 0x200b, 0x200e, 0x2028, 0x2029, 0x202e, 0x2060, 0xfeff,
        0xfffd, 0xfffe, 0xffff, 0xe000, 0x10ffff]))
    out = [chr(rng.randint(*span)) + many(of(span), 4, 30) for span in SCRIPTS for _ in range(8)]
    out += [pick(["a", "ab", " ", "\n", "é", "中", "1", ".", "👍", "\t ", "\u0301", "-", "=", "Aa", "x1"]) * rng.randint(3000, 10000) for _ in range(6)]
    out += [many(lambda: pick(["a", "b", "1", " ", "é"]), 10000, 10000)]
    while len(out) < n:
        out.append(pick([lambda: many(letter, 1, 12), lambda: many(code, 2, 14), lambda: many(emoji, 1, 8), lambda: many(lambda: pick([control, letter, code])(), 2, 9),
            lambda: many(lambda: pick(PIECES), 1, 24), lambda: many(lambda: pick([" ", "", "x", "."]) + (pick(special) if special else "<s>"), 1, 5),
            lambda: many(lambda: pick(["the ", "Hello, ", "world", "'s ", "don't ", "12,345.67 ", "U.S.A. ", "e-mail ", "naïve ", "?! ", "\n\n"]), 2, 12),
            lambda: many(lambda: str(rng.randint(0, 10 ** rng.randint(1, 9))) + pick(["", " ", ",", ".", "-"]), 1, 6)])())
    return [s.encode("utf-8", "ignore").decode() for s in out]


def write_cases(t, folder, args, more=()):
    t.no_truncation()
    t.no_padding()
    texts = TEXTS + random_texts(args.random, args.seed) + list(more)
    added_n = t.num_special_tokens_to_add(False)
    dump(folder / "cases.json", {"n_vocab": t.get_vocab_size(), "n_added": added_n, "cases": [case(t, s) for s in texts],
        "cuts": [cut(t, s, n + added_n) for s in TEXTS[9:16] for n in (1, 3, 7)], "pairs": pairs(t),
        "decodes": random_decodes(t, 30 + args.random, args.seed)})


def write(name, t, out, args):
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    if t is None:
        return write_cases(Tokenizer.from_file(str(folder / "tokenizer.json")), folder, args)
    spec = json.loads(t.to_str())
    if name in OLD_MERGES:
        spec["model"]["merges"] = [" ".join(m) for m in spec["model"]["merges"]]
    if name in NO_TYPE:
        del spec["model"]["type"]
    dump(folder / "tokenizer.json", spec)
    write_cases(Tokenizer.from_file(str(folder / "tokenizer.json")), folder, args)


def write_older(out, args):
    """The files from before tokenizer.json, as transformers reads them."""
    from transformers import BertTokenizer, GPT2Tokenizer, Qwen2Tokenizer, RobertaTokenizer
    source_of = lambda name: Tokenizer.from_file(str(out / name / "tokenizer.json"))
    for name, source, options, cls in (
            ("older-gpt2", gpt2(), {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "unk_token": "<|endoftext|>"}, GPT2Tokenizer),
            ("older-bert", wordpiece(lowercase=True), {"tokenizer_class": "BertTokenizer", "do_lower_case": True}, BertTokenizer),
            ("older-bert-cased", wordpiece(lowercase=False), {"tokenizer_class": "BertTokenizer", "do_lower_case": False,
                "tokenize_chinese_chars": False, "cls_token": "[CLS]"}, BertTokenizer),
            ("older-qwen2", source_of("qwen2"), {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False}, Qwen2Tokenizer),
            ("older-roberta", source_of("gpt2"), {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}, RobertaTokenizer)):
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        if args.train or not (folder / "tokenizer_config.json").exists():
            source.model.save(str(folder))
            dump(folder / "tokenizer_config.json", options)
        dump(folder / "special_tokens_map.json", {k: options[k] for k in ("unk_token", "cls_token") if k in options})
        write_cases(cls.from_pretrained(folder)._tokenizer, folder, args)


def train_spm(folder, **options):
    import sentencepiece
    text = folder / "corpus.txt"
    text.write_text(CORPUS)
    sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=str(folder / "m"), minloglevel=2, hard_vocab_limit=False, **options)
    (folder / "m.vocab").unlink()
    text.unlink()
    (folder / "m.model").rename(folder / "tokenizer.model")


SPM = {
    "spm-llama": (dict(model_type="bpe", vocab_size=800, byte_fallback=True, character_coverage=0.98, normalization_rule_name="identity",
        remove_extra_whitespaces=False), {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": True}),
    "spm-own": (dict(model_type="bpe", vocab_size=600, user_defined_symbols=["<sep>", "ab", "a.b", "▁the", "[x]"]), {"legacy": False}),
    "spm-xlmr": (dict(model_type="unigram", vocab_size=500), {"tokenizer_class": "XLMRobertaTokenizer", "mask_token": {"__type": "AddedToken",
        "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False}}),
    "spm-t5": (dict(model_type="unigram", vocab_size=500, pad_id=0, eos_id=1, unk_id=2, bos_id=-1), {"tokenizer_class": "T5Tokenizer"}),
}


def write_spm(out, args):
    """SentencePiece files, as transformers reads them. Their charsmap is of a few rules: the usual one has 240 KB."""
    from transformers import AutoTokenizer
    for name, (options, config) in SPM.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        if args.train or not (folder / "tokenizer.model").exists():
            if "normalization_rule_name" not in options:
                rules = folder / "rules.tsv"
                rules.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in k)}\t{' '.join(f'{ord(c):X}' for c in v)}\n" for k, v in RULES.items() if k != v))
                train_spm(folder, normalization_rule_tsv=str(rules), **options)
                rules.unlink()
            else:
                train_spm(folder, **options)
            dump(folder / "tokenizer_config.json", config)
        write_cases(AutoTokenizer.from_pretrained(folder)._tokenizer, folder, args)


def tekken_tokenizer(folder):
    """What transformers converts a tekken.json to, with mistral-common's <s> before each text."""
    from transformers.integrations.mistral.tokenizer import MistralConverter
    t = MistralConverter(str(folder / "tekken.json")).converted()
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", t.token_to_id("<s>"))])
    return t


def write_tekken(out, args):
    """tekken.json, its tokens those of the fixture "tekken"; the last ones are over, as in Mistral's files."""
    import base64
    folder = out / "tekken-own"
    folder.mkdir(parents=True, exist_ok=True)
    vocab = json.loads((out / "tekken" / "tokenizer.json").read_text())["model"]["vocab"]
    n, byte = 0, {}
    for b in range(256):
        printable = 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255
        byte[chr(b) if printable else chr(256 + n)] = b
        n += not printable
    assert set(byte) == set(pre_tokenizers.ByteLevel.alphabet())
    words = [bytes(byte[c] for c in w) for w, _ in sorted(vocab.items(), key=lambda x: x[1]) if len(w) > 1 and set(w) <= set(byte)]
    tokens = [bytes([b]) for b in range(256)] + words
    dump(folder / "tekken.json", {"config": {"pattern": TEKKEN, "num_vocab_tokens": len(tokens), "default_vocab_size": len(tokens) + 3,
        "default_num_special_tokens": 8, "version": "v11"}, "vocab": [{"rank": i, "token_bytes": base64.b64encode(w).decode(), "token_str":
        w.decode("utf-8", "ignore") or None} for i, w in enumerate(tokens)], "special_tokens": [{"rank": i, "token_str": w, "is_control": True}
        for i, w in enumerate(["<unk>", "<s>", "</s>", "[INST]", "<mask>"])]})
    write_cases(tekken_tokenizer(folder), folder, args)


# tokenizer_config.json beside a tokenizer.json: what transformers takes from it.
CONFIGURED = {
    "config-bert": ("bert-cased", {"tokenizer_class": "BertTokenizer", "strip_accents": False, "additional_special_tokens": ["NEWTOK", "fox"],
        "add_bos_token": True, "truncation_side": "left"}),
    "config-gpt2": ("gpt2", {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "eos_token": "<|im_end|>", "pad_token": "[PAD]",
        "unk_token": "<|endoftext|>", "add_eos_token": True}),
}


def write_configured(out, args):
    from transformers import AutoTokenizer
    for name, (source, config) in CONFIGURED.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text((out / source / "tokenizer.json").read_text())
        dump(folder / "tokenizer_config.json", config)
        write_cases(AutoTokenizer.from_pretrained(folder)._tokenizer, folder, args)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("out", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent / "tests" / "tokenizers", type=pathlib.Path)
    p.add_argument("--only")
    p.add_argument("--random", type=int, default=36)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--from", dest="source")
    p.add_argument("--train", action="store_true")
    args = p.parse_args()
    if args.source:
        args.out.mkdir(parents=True, exist_ok=True)
        write_cases(Tokenizer.from_file(args.source), args.out, args)
        return
    for name, make in VARIANTS.items():
        if args.only in (None, name):
            kept = not args.train and (args.out / name / "tokenizer.json").exists()
            write(name, None if kept else make(), args.out, args)
    if args.only in (None, "older"):
        write_older(args.out, args)
    if args.only in (None, "spm"):
        write_spm(args.out, args)
    if args.only in (None, "tekken-own"):
        write_tekken(args.out, args)
    if args.only in (None, "config"):
        write_configured(args.out, args)


if __name__ == "__main__":
    main()
