#!/usr/bin/env python3
"""Loom's tokenizers beside `tokenizers`, one thread, processor time, best of several; and how long a file takes to load.

    python3 bench/text.py [--build build] FOLDER ...      (folders with a tokenizer.json; needs tokenizers and a C compiler)

Texts: this tree's documents and code and a licence as long texts, their lines and sentences as short ones, a few scripts mixed. Encoding only, with the
post-processor; the library's Encoding is made but not read."""
import argparse
import os
import pathlib
import subprocess
import tempfile
import time

os.environ.update(RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
ROOT = pathlib.Path(__file__).resolve().parent.parent
MIXED = ("Быстрая коричневая лиса прыгает через ленивую собаку. 敏捷的棕色狐狸跳过了懒狗。日本語のテキストを分割します。한국어 문장도 있습니다. "
         "مرحبا بالعالم، كيف حالك اليوم؟ Les élèves français étaient très occupés à l'école. ")
PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "jsonx.h"
#include "tokenizer.h"
static double now(void) { struct timespec t; clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec; }
int main(int argc, char **argv)
{
	static char buf[64 << 20];
	struct loom_tokenizer *t;
	struct loom_encoding e;
	struct loom_err err;
	loom_json_setup();
	double start = now();
	if (loom_tokenizer_open(argv[1], &t, &err))
		return fprintf(stderr, "%s\n", err.message), 1;
	printf("%.9f 0\n", now() - start);
	loom_encoding_init(&e);
	for (int a = 2; a < argc; a++) {
		FILE *f = fopen(argv[a], "rb");
		size_t n = f ? fread(buf, 1, sizeof buf, f) : 0, tokens = 0;
		double best = 1e9;
		for (int r = 0; r < 7; r++) {
			start = now();
			tokens = 0;
			for (size_t i = 0; i < n; i += strlen(buf + i) + 1) {
				if (loom_tokenizer_encode(t, buf + i, strlen(buf + i), true, &e, &err))
					return fprintf(stderr, "%s\n", err.message), 1;
				tokens += e.n;
			}
			best = now() - start < best ? now() - start : best;
		}
		if (f)
			fclose(f);
		printf("%.9f %zu\n", best, tokens);
	}
	return 0;
}
"""


def texts():
    prose = "".join(p.read_text() for p in sorted((ROOT / "docs").glob("*.md"))) + (ROOT / "LICENSE").read_text()
    code = "".join(p.read_text() for p in sorted((ROOT / "src").glob("*/*.c"))[:120])
    return {"long prose": [prose * 3], "long code": [code], "long mixed": [MIXED * 2000], "lines": [x for x in prose.split("\n") if len(x) > 20] * 4,
            "sentences": [x for x in prose.replace("\n", " ").split(". ") if len(x) > 20] * 4}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("folders", nargs="+", type=pathlib.Path)
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    args = p.parse_args()
    from tokenizers import Tokenizer
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        (tmp / "bench.c").write_text(PROGRAM)
        include = [f"-I{d}" for d in (ROOT / "src").glob("*") if d.is_dir()]
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", *include, f"-I{ROOT / 'include'}", str(tmp / "bench.c"), str(args.build / "libloom.a"), "-o", str(tmp / "bench"),
                        "-ljansson", "-lyaml", "-lpcre2-8", "-lutf8proc", "-lcurl", "-lcrypto", "-ldl", "-lm", "-lpthread"], check=True)
        all_texts = texts()
        for i, (name, list_) in enumerate(all_texts.items()):
            (tmp / str(i)).write_bytes(b"\0".join(x.encode() for x in list_) + b"\0")
        for folder in args.folders:
            start = time.process_time()
            t = Tokenizer.from_file(str(folder / "tokenizer.json"))
            load = time.process_time() - start
            t.no_truncation()
            t.no_padding()
            out = subprocess.run([tmp / "bench", folder, *(tmp / str(i) for i in range(len(all_texts)))], check=True, capture_output=True, text=True).stdout
            mine = [line.split() for line in out.splitlines()]
            size = (folder / "tokenizer.json").stat().st_size / 1e6
            print(f"{folder}: {size:.1f} MB, loads in {float(mine[0][0]) * 1e3:.0f} ms ({load * 1e3:.0f} ms)")
            for (name, list_), (seconds, tokens) in zip(all_texts.items(), mine[1:]):
                best = 1e9
                for _ in range(5):
                    start = time.process_time()
                    n = sum(len(t.encode(x)) for x in list_)
                    best = min(best, time.process_time() - start)
                same = "" if n == int(tokens) else f" (other tokens: {n})"
                print(f"  {name:12} {len(list_):6} texts {tokens:>8} tokens  {float(seconds) * 1e3:9.2f} ms  tokenizers {best * 1e3:9.2f} ms  {best / float(seconds):6.2f}x{same}")


if __name__ == "__main__":
    main()
