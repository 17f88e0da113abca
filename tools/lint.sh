#!/bin/bash
# make lint: the law between folders, headers that compile alone, warnings as errors with gcc and clang, clang-tidy.
set -u
build=${BUILD:-build}
rc=0
dirs=$(find src -type d | sort)
inc="-iquote include"
for d in $dirs; do inc="$inc -iquote $d"; done
flags="-std=c11 -D_GNU_SOURCE -DLOOM_VERSION=\"0\" -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Werror $inc"

python3 tools/lint.py || rc=1

for h in include/*.h $(find src -name '*.h' ! -name '*_impl.h' ! -name 'vec16.h' | sort); do
	printf '#include "%s"\n' "$(basename "$h")" | gcc $flags -fsyntax-only -x c - || { echo "$h does not compile alone"; rc=1; }
done

# clang reads the whole tree too: its warnings are errors, its tidy checks those that find bugs
isa() {
	case $1 in
	*_avx2.c) echo -mavx2 -mfma -mf16c ;;
	*_avx512.c) echo -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c ;;
	*_vnni.c) echo -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c ;;
	*_bf16.c) echo -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512bf16 -mfma ;;
	esac
}
export -f isa
export flags
find src -name '*.c' | sort | xargs -P 2 -I{} bash -c 'clang $flags $(isa {}) -Wno-unknown-warning-option -fsyntax-only {}' || rc=1
checks='-*,bugprone-*,cert-*,-bugprone-easily-swappable-parameters,-bugprone-reserved-identifier,-cert-dcl37-c,-cert-dcl51-cpp,-cert-err33-c,-bugprone-narrowing-conversions,-bugprone-implicit-widening-of-multiplication-result,-bugprone-macro-parentheses,-bugprone-branch-clone,-cert-msc30-c,-cert-msc50-cpp,-bugprone-assignment-in-if-condition,-cert-env33-c,-bugprone-suspicious-include'
export checks
mkdir -p "$build"
find src -name '*.c' ! -name '*_avx*' ! -name '*_bf16.c' ! -name '*_vnni.c' | sort | xargs -P 2 -I{} bash -c 'clang-tidy --quiet --warnings-as-errors="*" --checks="$checks" {} -- $flags 2>/dev/null' > "$build/tidy.log" || rc=1
grep -E 'error:' "$build/tidy.log" | head -n 40
[ $rc = 0 ] && echo "lint: clean"
exit $rc
