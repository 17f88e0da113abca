#!/usr/bin/env python3
"""Writes tests/corpus/json.txt: documents that a reader of RFC 8259 takes (y_), refuses (n_), or may do either with (i_taken_, i_refused_: what Loom does).
One a line: name, and the bytes in hexadecimal. Python's own reader is asked for its opinion of each y_ and n_ first.

  usage: tools/make-json-cases.py [FILE]     (default: tests/corpus/json.txt)

Read by tests/unit/test_json.c (the parser alone) and tests/api/test_json.py (as bodies, and inside of bodies, over HTTP)."""
import json
import sys
from pathlib import Path

CASES = {}


def case(name, data):
    data = data.encode() if isinstance(data, str) else data
    assert name not in CASES, name
    CASES[name] = data


def each(kind, what, items, form="[%s]"):
    """Values one by one, each as the only item of a list."""
    for i, v in enumerate(items):
        v = v.encode() if isinstance(v, str) else v
        case(f"{kind}_{what}_{i}", form.encode().replace(b"%s", v))


def numbers():
    each("y", "number", "0 -0 1 -1 10 123 0.5 -0.5 1.25 1e5 1E5 1e+5 1e-5 0e0 0E+0 -0.0e-0 1.5e300 5e-324 1.7976931348623157e308 123456789012345678 "
         "9223372036854775807 -9223372036854775808 0.1000000000000000055511151231257827 2.2250738585072011e-308".split())
    each("n", "number", "01 -01 00 -00 +1 .5 -.5 1. -1. 1.e5 1e 1e+ 1E- .e1 0x10 0b1 0o7 1_000 --1 - -- -+1 +-1 ++1 Infinity -Infinity +Infinity NaN -NaN nan inf "
         "1e1.5 1f 1d 1L 1u 0.1.2 1e5e5 1..2 1ee5 1e-+5 -e5 ٣ 1２ １ 1: ½ $1 1% 1a -a 0xabc 1/2".split())
    each("n", "number_space", ["- 1", "1 .5", "1. 5", "1e 5", "1 e5", "1 000", "1 2"])
    each("i_taken", "number_integer_beyond_64_bits", ["9223372036854775808", "-9223372036854775809", "18446744073709551616", "1" + "0" * 30, "-" + "9" * 100])
    each("i_taken", "number_underflows", ["1e-400", "-1e-99999", "0." + "0" * 400 + "1"])
    each("i_refused", "number_overflows", ["1e309", "-1e309", "1e400", "1.8e308", "1e99999999999999999999", "9" * 400])


def strings():
    each("y", "string", [r'""', r'"a"', r'" "', r'"\""', r'"\\"', r'"\/"', r'"\b\f\n\r\t"', r'"\u0000"', r'"\u0041"', r'"\u00e9\u00E9"', r'"\u20ac"', r'"\ud83d\ude00"',
                         r'"\uD83D\uDE00"', r'"\ud800\udc00"', r'"\udbff\udfff"', r'"\ufffe\uffff"', r'"\\u0041"', r'"\\\\"', r'"\u005c\u0022"', '"\x7f"', '"/"', r'"\u002f"',
                         '"[{]},:"', '"//"', '"/*"', r'"\u0061\u030a"', '"٣"', '"\u2028\u2029"', '"\ufeff"', '"\ufdd0\uffff\U0001ffff"'])
    each("y", "string_edge_of_utf8", ['"%s"' % chr(c) for c in (0x20, 0x7e, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000, 0x10ffff)])
    each("n", "string_control", [b'"a%cb"' % c for c in range(0x20)])
    each("n", "string_escape", [rf'"\{c}"' for c in "'avxUNe0123456789$(){}[]%*&^~`!?.,;:+=-_ "] + [b'"\\\n"', b'"\\\x00"', '"\\é"', b'"\\\xff"'])
    each("n", "string_escape_u", [rf'"\u{c}"' for c in ("", "1", "12", "123", "12g4", "{41}", "+041", "-041", " 041", "0x41", "00\\u0041", "004é")])
    each("n", "string_end", ['"', '"a', '"a\\', '"a\\"', '"\\u00', "'a'", "a", 'a"', '"a"b', '"a" "b"', '"a""b"', "“a”", "`a`", '"a" + "b"'])
    each("i_refused", "string_lone_surrogate", [r'"\ud800"', r'"\udbff"', r'"\udc00"', r'"\udfff"', r'"\ud800a"', r'"\ud800\u0041"', r'"\ud800\ud800"',
                                                r'"\udc00\ud800"', r'"\ud800\n"', r'"\ud83d😀"', r'"\ud800\udc00\ud800"', r'"a\udc00b"'])


def utf8():
    each("n", "utf8_byte", [b'"%c"' % c for c in range(0x80, 0x100)])
    each("n", "utf8_overlong", [b'"%s"' % s for s in (b"\xc0\x80", b"\xc0\xaf", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x80\xaf", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80",
                                                      b"\xf0\x80\x80\xaf", b"\xf0\x8f\xbf\xbf", b"\xf8\x80\x80\x80\x80", b"\xfc\x80\x80\x80\x80\x80")])
    each("n", "utf8_surrogate", [b'"%s"' % s for s in (b"\xed\xa0\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbf\xbf", b"\xed\xa0\xbd\xed\xb8\x80")])
    each("n", "utf8_too_large", [b'"%s"' % s for s in (b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf7\xbf\xbf\xbf", b"\xf8\x88\x80\x80\x80", b"\xfe\xff", b"\xff\xfe")])
    each("n", "utf8_cut", [b'"%s"' % c.encode()[:n] for c in "é€😀" for n in range(1, len(c.encode()))] +
         [b'"%sx"' % c.encode()[:n] for c in "é€😀" for n in range(1, len(c.encode()))] + [b'"\xe2\x82', b'"\xf0\x9f'])
    each("n", "utf8_outside_strings", [b"\x80", b"1\xff", b"\xc3\xa9", b"\xe2\x80\x83"])


def structures():
    each("y", "structure", ["[]", "{}", "[[]]", "[{}]", "[1,2,3]", "[null,true,false]", '{"a":1}', '{"a":{"b":[]}}', '{"":0}', '{"a":1,"b":2}', '{"a":1,"A":2}',
                            '{"a b":1}', '{"é":1,"e\u0301":2}', ' \t\r\n[ \t\r\n] \t\r\n', ' { "a" : [ 1 , 2 ] , "b" : { } } ',
                            '[1,\n2]', '[-0,0]', '[""]', '{"a":[],"b":{},"c":""}', "[" * 64 + "]" * 64, '{"a":' * 63 + "[]" + "}" * 63, '["' + "[{" * 200 + '"]',
                            "[" + "[]," * 300 + "[]]"], "%s")
    each("n", "structure", ["", " ", "\n", "[", "]", "{", "}", "[1", "[1,", "[,", "[,1]", "[1,]", "[1,,2]", "[1 2]", "[1:2]", "[1;2]", '{"a"}', '{"a":}', '{"a":1,}', "{,}",
                            '{"a" 1}', '{"a"::1}', '{"a":1:2}', "{a:1}", "{'a':1}", "{1:1}", "{null:1}", "{[]:1}", "{{}:1}", '{"a":1 "b":2}', '{"a":1;"b":2}', '{"a",1}', '{:1}',
                            '{"a":1,,"b":2}', '{,"a":1}', "[1]]", "{}}", "[1}", '{"a":1]', '{"a":[1}', "[}", "{]", "[{]", '{"a":[}', "(1)", "[1)", "{} x", "{}{}", "[][]", "[] []",
                            "{},", "[],", "{};", "{}#", "# c\n{}", "// c\n{}", "/* c */{}", "{}// c", "{}/* c */", '{"a":/* c */1}', "[1,// c\n2]", "<null>", "*", "[*]", "[tru]",
                            "[True]", "[TRUE]", "[nul]", "[None]", "[NULL]", "[fals]", "[nulll]", "[truefalse]", "[true false]", "[undefined]", "[a]", "[a:1]", "[...]", "[@]", "[&]",
                            "[1\x0b]", "[1\x0c]", "[\xa01]", "[\u20601]", "[\u30001]", "[1\u2028]", b"\0[]", b"[]\0", b"[\0]", b"[1\0,2]", b"[]\x1a", b"\x1e[]", "[\\n]", "[\\u0031]",
                            '"a":1', '[\\"a\\"]', '{"a":1}}', "[[[[", "]]]]", '{"a":{"b":1}', "[" * 63], "%s")
    each("i_refused", "structure_duplicate_key", ['{"a":1,"a":1}', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"":1,"":2}', '[{"a":1,"b":2,"a":3}]', '{"x":{"a":1,"a":2}}',
                                                  '{"é":1,"\\u00e9":2}'], "%s")
    each("i_refused", "structure_nul_in_key", ['{"\\u0000":1}', '{"a\\u0000b":1}'], "%s")
    each("i_refused", "structure_depth", ["[" * 65 + "]" * 65, '{"a":' * 65 + "1" + "}" * 65, "[" * 1000 + "]" * 1000, '[{"a":' * 40 + "1" + "}]" * 40], "%s")
    each("i_refused", "structure_mark_and_utf16", [b"\xef\xbb\xbf{}", b"\xef\xbb\xbf[]", "{}".encode("utf-16-le"), "{}".encode("utf-16-be"), "{}".encode("utf-16"),
                                                   "[1]".encode("utf-32-le")], "%s")
    each("i_refused_top", "structure_scalar", ["1", "-0", "1.5", '"a"', "true", "null", " 1 "], "%s")


def opinion(data):
    """Does Python's reader take it? Constants that are no JSON do not count."""
    def no(word):
        raise ValueError(word)
    try:
        json.loads(data.decode(), parse_constant=no)
        return True
    except (ValueError, RecursionError):
        return False


def main():
    for make in (numbers, strings, utf8, structures):
        make()
    for name, data in CASES.items():
        if name[0] in "yn":
            assert opinion(data) == (name[0] == "y"), (name, data)
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "tests/corpus/json.txt"
    out.write_text("".join(f"{name} {data.hex()}\n" for name, data in CASES.items()))


if __name__ == "__main__":
    main()
