#!/usr/bin/env python3
"""The law between folders, and what a compiler does not check. Prints one line a finding; exits 1 when there is any."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# base < format < {tokenizer, model, quant} < {load, backend} < run < engine < encode < server < cli
RANKS = [["base"], ["format"], ["tokenizer", "model", "quant"], ["load", "backend"], ["run"], ["engine"], ["encode"], ["server"], ["cli"]]
RANK = {name: i for i, row in enumerate(RANKS) for name in row}
BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "strncpy", "strncat", "sscanf", "gets", "strtok", "atoi", "atol", "atof", "alloca",
          "system", "popen", "tmpnam", "rand", "srand"]
RAW_MEMORY = ["malloc", "calloc", "realloc", "free", "strdup", "strndup", "reallocarray"]
MAX_FUNCTION = 110
CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def blank(text):
    """Comments and literals replaced by spaces, line breaks kept."""
    return CODE.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def folder(path):
    return path.relative_to(ROOT / "src").parts[0]


def functions(code):
    """(line, length) of each body that opens with { in column 0."""
    start = None
    for i, line in enumerate(code.split("\n"), 1):
        if line.startswith("{"):
            start = i
        elif line.startswith("}") and start:
            yield start, i - start - 1
            start = None


def main():
    found = []
    files = sorted(p for p in (ROOT / "src").rglob("*") if p.suffix in (".c", ".h", ".cu"))
    public = {p.name: "include" for p in (ROOT / "include").glob("*.h")}
    owner, seen = {}, {}
    for p in files:
        if p.name in seen:
            found.append(f"{p.relative_to(ROOT)}: a file of that name exists: {seen[p.name]}")
        seen[p.name] = p.relative_to(ROOT)
        owner[p.name] = folder(p)
    for p in files:
        rel, text = p.relative_to(ROOT), p.read_text()
        code, mine = blank(text), folder(p)
        for m in re.finditer(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            line, name = text.count("\n", 0, m.start()) + 1, m.group(1)
            other = owner.get(name)
            if other is None:
                if name not in public:
                    found.append(f"{rel}:{line}: includes {name}, which is nowhere in the tree")
            elif other != mine and RANK[other] >= RANK[mine]:
                found.append(f"{rel}:{line}: {mine}/ may not see {other}/ ({name})")
        if "/cuda/" not in str(rel) and re.search(r"#\s*include\s*<(cuda|cublas)", text):
            found.append(f"{rel}: only backend/cuda/ sees a CUDA header")
        for word in BANNED + ([] if mine == "base" else RAW_MEMORY):
            for m in re.finditer(rf"(?<![\w>.]){word}\s*\(", code):
                found.append(f"{rel}:{code.count(chr(10), 0, m.start()) + 1}: {word}() is banned here")
        if mine not in ("cli", "base"):
            for m in re.finditer(r"(?<![\w>.])(printf|puts|putchar|exit|abort|perror)\s*\(", code):
                found.append(f"{rel}:{code.count(chr(10), 0, m.start()) + 1}: library code may not {m.group(1)}()")
        for line, n in functions(code):
            if n > MAX_FUNCTION:
                found.append(f"{rel}:{line}: a function of {n} lines; {MAX_FUNCTION} at most")
        if not text.startswith("/*"):
            found.append(f"{rel}: does not open with a comment that says what it is")
        if p.suffix == ".h" and not p.name.endswith("_impl.h") and "#ifndef LOOM_" not in text:
            found.append(f"{rel}: no include guard")
        for i, line in enumerate(text.split("\n"), 1):
            if len(line.replace("\t", "    ")) > 160:
                found.append(f"{rel}:{i}: a line of {len(line)} characters")
            if line.rstrip() != line:
                found.append(f"{rel}:{i}: trailing white space")
    for line in found:
        print(line)
    print(f"lint: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
