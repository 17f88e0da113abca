#!/usr/bin/env python3
"""Makes src/tokenizer/unicode_tables.c by asking the `tokenizers` library, code point by code point.

The library mixes several versions of Unicode (Oniguruma's, Rust's, and old crates'), so each class is
written as a mask of general categories (utf8proc gives those at run time) and the ranges where the library
differs from that. Differences are taken against utf8proc and against Python's tables, so that the file
holds for other versions of utf8proc too. Run: /path/to/python tools/make-unicode-tables.py
"""
import ctypes, ctypes.util, os, struct, sys, unicodedata
from tokenizers import Regex, normalizers, pre_tokenizers as pre

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "src", "tokenizer", "unicode_tables.c")
u8 = ctypes.CDLL(ctypes.util.find_library("utf8proc") or "libutf8proc.so.2")
u8.utf8proc_category.restype = ctypes.c_int
CATS = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split()
CPS = [c for c in list(range(0x40000)) + list(range(0xE0000, 0xE1000)) if not 0xD800 <= c < 0xE000]


def split(pattern):
    s = pre.Split(Regex(pattern), "removed")
    return lambda c: s.pre_tokenize_str(chr(c)) == []


def normal(n, test):
    return lambda c: test(n.normalize_str(chr(c)), c)


bert = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
punct, digits, white, word = pre.Punctuation("removed"), pre.Digits(False), pre.WhitespaceSplit(), pre.Whitespace()


def numeric(c):
    # "0" beside the character: one piece when it is numeric, two when it is not
    return len(digits.pre_tokenize_str("0" + chr(c))) == 1


def rust_word(c):
    return len(word.pre_tokenize_str("a" + chr(c))) == 1 and word.pre_tokenize_str(chr(c)) != []


def charsmap_of_everything():
    """A Precompiled normalizer that writes one X for each grapheme cluster of less than six bytes, and one for
    each character of longer ones: every byte but 0 is a key of the trie."""
    units = [0] * 1024
    units[0] = 256 << 10
    for c in range(1, 256):
        at = 256 ^ c
        units[at] = (at ^ (512 + c)) << 10 | 1 << 8 | c
        units[512 + c] = 1 << 31
    blob = struct.pack("<I", len(units) * 4) + struct.pack("<%dI" % len(units), *units) + b"X\0"
    return normalizers.Precompiled(blob)


clusters = charsmap_of_everything()


def joined(before, after, n):
    return lambda c: clusters.normalize_str(before + chr(c) + after) == "X" * n


CLASSES = [
    # name, categories it starts from, predicate
    ("ONIG_L", "Lu Ll Lt Lm Lo", split(r"\p{L}")),
    ("ONIG_N", "Nd Nl No", split(r"\p{N}")),
    ("ONIG_M", "Mn Mc Me", split(r"\p{M}")),
    ("ONIG_P", "Pc Pd Ps Pe Pi Pf Po", split(r"\p{P}")),
    ("ONIG_S", "Sm Sc Sk So", split(r"\p{S}")),
    ("ONIG_LU", "Lu", split(r"\p{Lu}")),
    ("ONIG_LL", "Ll", split(r"\p{Ll}")),
    ("ONIG_LM", "Lm", split(r"\p{Lm}")),
    ("ONIG_LO", "Lo", split(r"\p{Lo}")),
    ("ONIG_ND", "Nd", split(r"\d")),
    ("ONIG_W", "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", split(r"\w")),
    ("WORD", "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc", rust_word),
    ("NUMERIC", "Nd Nl No", numeric),
    ("PUNCT", "Pc Pd Ps Pe Pi Pf Po", lambda c: punct.pre_tokenize_str(chr(c)) == []),
    ("CONTROL", "Cc Cf Co", normal(normalizers.BertNormalizer(**dict(bert, clean_text=True)), lambda s, c: s == "")),
    ("MARK_N", "Mn", normal(normalizers.BertNormalizer(**dict(bert, strip_accents=True)), lambda s, c: s == "")),
    ("MARK", "Mn Mc Me", normal(normalizers.StripAccents(), lambda s, c: s == "")),
    # grapheme clusters, as far as they can be told apart by clusters of less than six bytes
    ("G_EXTEND", "Mn Mc Me", joined("a", "", 1)),
    ("G_PREPEND", "", joined("", "a", 1)),
    ("G_CONTROL", "Cc Cf Zl Zp", lambda c: c < 0x10000 and clusters.normalize_str(chr(c) + "\u0301") == "XX"),
    ("G_PICTURE", "", lambda c: clusters.normalize_str("\xa9\u200d" + chr(c)) == "XXX" and not joined("a", "", 1)(c)),
    ("G_CONSONANT", "", lambda c: c < 0x10000 and joined("", "\u0301", 1)(c) and not joined("a", "", 1)(c) and
        joined("\u0915\u094d", "\u0301", 4)(c)),
    ("G_LINKER", "", lambda c: joined("a", "", 1)(c) and joined("\u0915", "\u0915\u0301", 4)(c)),
]


def ranges(cps):
    out = []
    for c in cps:
        # a surrogate gap does not end a range
        if out and (c == out[-1][1] + 1):
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def decompositions(out):
    """Code points that the library's (older) normalizer leaves alone, and marks it gives class 0."""
    u8.utf8proc_decompose_char.restype = ctypes.c_ssize_t
    buf, last = (ctypes.c_int32 * 64)(), ctypes.c_int(0)
    nfd, nfkd = normalizers.NFD(), normalizers.NFKD()
    STABLE, COMPAT, DECOMPOSE = 2, 4, 16
    keep, keep_k, bad = [], [], []
    for c in CPS:
        for n, flags, left in ((nfd, STABLE | DECOMPOSE, keep), (nfkd, STABLE | DECOMPOSE | COMPAT, keep_k)):
            k = u8.utf8proc_decompose_char(c, buf, 64, flags, ctypes.byref(last))
            ours, theirs = "".join(map(chr, buf[:k])), n.normalize_str(chr(c))
            if ours != theirs:
                (left if theirs == chr(c) else bad).append(c)
    if bad:
        print("decompose otherwise:", [hex(c) for c in bad], file=sys.stderr)

    class Property(ctypes.Structure):
        _fields_ = [("category", ctypes.c_int16), ("ccc", ctypes.c_int16)]

    u8.utf8proc_get_property.restype = ctypes.POINTER(Property)
    zero, wrong = [], []
    for c in CPS:
        ours = u8.utf8proc_get_property(c).contents.ccc
        d = nfd.normalize_str(chr(c))
        if d != chr(c):
            continue
        moved = nfd.normalize_str(chr(c) + "\u0334") != chr(c) + "\u0334"  # U+0334 has class 1
        if moved != (ours > 1):
            (zero if ours > 1 else wrong).append(c)
    if wrong:
        print("combining class unknown to utf8proc:", [hex(c) for c in wrong], file=sys.stderr)
    for name, cps in (("no_nfd", keep), ("no_nfkd", keep_k), ("no_ccc", zero)):
        emit(out, name, ranges(cps))
        out.append("const struct loom_uc_ranges loom_uc_%s = { %s, sizeof %s / sizeof %s[0] };" % ((name,) + (name,) * 3))


def scripts():
    """src/tokenizer/unicode_scripts.c: the scripts of UnicodeScripts, told apart by what it cuts."""
    cut = pre.UnicodeScripts().pre_tokenize_str
    found, by_cp, last = [], [], 0
    for c in range(0x110000):
        if 0xD800 <= c < 0xE000 or c == 0x20:
            continue
        s = chr(c)
        if c == 0x30FC:
            continue
        if last and len(cut(found[last - 1] + s)) == 1 and len(cut(("a" if found[last - 1] != "a" else "\u4e00") + s)) == 2:
            by_cp.append((c, last))
            continue
        if len(cut("a" + s)) == 1 and len(cut("\u4e00" + s)) == 1:
            continue  # of any script
        last = next((i + 1 for i, k in enumerate(found) if len(cut(k + s)) == 1), 0)
        if not last:
            found.append(s)
            last = len(found)
        by_cp.append((c, last))
    rs = []
    for c, k in by_cp:
        if rs and rs[-1][2] == k and rs[-1][1] == c - 1:
            rs[-1][1] = c
        else:
            rs.append([c, c, k])
    out = ["/* unicode_scripts.c: the scripts that the UnicodeScripts pre-tokenizer tells apart; see unicode.h. Made by",
           " * tools/make-unicode-tables.py; not edited. */", '#include "unicode.h"', "", "const struct loom_uc_script_range loom_uc_scripts[] = {"]
    line = "\t"
    for item in ("{ 0x%x, 0x%x, %d }, " % tuple(r) for r in rs):
        if len(line) + len(item) > 116:
            out.append(line.rstrip())
            line = "\t"
        line += item
    out += [line.rstrip(), "};", "const size_t loom_uc_n_scripts = sizeof loom_uc_scripts / sizeof loom_uc_scripts[0];"]
    with open(OUT.replace("tables", "scripts"), "w") as f:
        f.write("\n".join(out) + "\n")
    print("scripts:", len(found), "in", len(rs), "ranges", file=sys.stderr)


def emit(out, name, rs):
    """A sorted array of ranges; an empty one gets a range that holds nothing."""
    out.append("static const struct loom_uc_range %s[] = {" % name)
    line = "\t"
    for a, b in rs or [[0xFFFFFFFF, 0xFFFFFFFF]]:
        item = "{ 0x%x, 0x%x }, " % (a, b)
        if len(line) + len(item) > 116:
            out.append(line.rstrip())
            line = "\t"
        line += item
    out.append(line.rstrip())
    out.append("};")


def main():
    cat = {c: CATS[u8.utf8proc_category(c)] for c in CPS}
    out = ["/* unicode_tables.c: where `tokenizers` differs from the general categories of utf8proc, class by class, as",
           " * sorted ranges; see unicode.h. Made by tools/make-unicode-tables.py; not edited. */",
           '#include "unicode.h"', ""]
    masks = []
    for name, cats, test in CLASSES:
        cats, has, lacks = cats.split(), [], []
        for c in CPS:
            guesses = {cat[c] in cats, unicodedata.category(chr(c)) in cats}
            want = test(c)
            if guesses != {want}:
                (has if want else lacks).append(c)
        print(name, len(ranges(has)), "set,", len(ranges(lacks)), "clear", file=sys.stderr)
        emit(out, "set_" + name.lower(), ranges(has))
        emit(out, "clear_" + name.lower(), ranges(lacks))
        masks.append((name, cats))
    decompositions(out)
    # lower case: what the library does where utf8proc's simple mapping differs
    u8.utf8proc_tolower.restype = ctypes.c_int32
    low, diff = normalizers.Lowercase(), []
    for c in CPS:
        s = low.normalize_str(chr(c))
        if s != chr(u8.utf8proc_tolower(c)):
            diff.append((c, [ord(x) for x in s]))
    out.append("const struct loom_uc_lower loom_uc_lower[] = {")
    for c, s in diff:
        assert len(s) <= 2, (c, s)
        out.append("\t{ 0x%x, { 0x%x, 0x%x } }," % (c, s[0], s[1] if len(s) > 1 else 0))
    out.append("};")
    out.append("const size_t loom_uc_n_lower = sizeof loom_uc_lower / sizeof loom_uc_lower[0];")
    out.append("const struct loom_uc_class loom_uc_classes[LOOM_UC_N] = {")
    for name, cats in masks:
        mask = " | ".join("1u << %d" % CATS.index(k) for k in cats) or "0"
        sets = ["{ %s, sizeof %s / sizeof %s[0] }" % ((k + name.lower(),) * 3) for k in ("set_", "clear_")]
        out.append("\t[LOOM_UC_%s] = { %s,\n\t\t%s,\n\t\t%s }," % (name, mask, *sets))
    out.append("};")
    with open(OUT, "w") as f:
        f.write("\n".join(out) + "\n")
    scripts()


main()
