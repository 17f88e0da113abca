/* grapheme.c: see grapheme.h. */
#include "grapheme.h"

#include "text.h"
#include "unicode.h"

enum kind { OTHER, CR, LF, CONTROL, EXTEND, ZWJ, PREPEND, REGIONAL, HANGUL_L, HANGUL_V, HANGUL_T, HANGUL_LV, HANGUL_LVT };

static enum kind hangul(uint32_t cp)
{
	if ((cp >= 0x1100 && cp <= 0x115F) || (cp >= 0xA960 && cp <= 0xA97C))
		return HANGUL_L;
	if ((cp >= 0x1160 && cp <= 0x11A7) || (cp >= 0xD7B0 && cp <= 0xD7C6))
		return HANGUL_V;
	if ((cp >= 0x11A8 && cp <= 0x11FF) || (cp >= 0xD7CB && cp <= 0xD7FB))
		return HANGUL_T;
	if (cp >= 0xAC00 && cp <= 0xD7A3)
		return (cp - 0xAC00) % 28 ? HANGUL_LVT : HANGUL_LV;
	return OTHER;
}

static enum kind kind_of(uint32_t cp)
{
	if (cp == '\r' || cp == '\n')
		return cp == '\r' ? CR : LF;
	if (cp >= ' ' && cp < 0x7F)
		return OTHER;
	if (cp == 0x200D)
		return ZWJ;
	if (cp >= 0x1F1E6 && cp <= 0x1F1FF)
		return REGIONAL;
	if (loom_uc_is(cp, LOOM_UC_G_EXTEND))
		return EXTEND;
	if (loom_uc_is(cp, LOOM_UC_G_PREPEND))
		return PREPEND;
	if (loom_uc_is(cp, LOOM_UC_G_CONTROL))
		return CONTROL;
	return hangul(cp);
}

/* Does the rule between two neighbours join them, whatever stood before? */
static bool neighbours(enum kind a, enum kind b)
{
	if (a == CR)
		return b == LF;
	if (a <= CONTROL && a != OTHER)
		return false;
	if (b == CR || b == LF || b == CONTROL)
		return false;
	if (b == EXTEND || b == ZWJ || a == PREPEND)
		return true;
	if (a == HANGUL_L)
		return b == HANGUL_L || b == HANGUL_V || b == HANGUL_LV || b == HANGUL_LVT;
	if (a == HANGUL_LV || a == HANGUL_V)
		return b == HANGUL_V || b == HANGUL_T;
	return (a == HANGUL_LVT || a == HANGUL_T) && b == HANGUL_T;
}

size_t loom_grapheme(const char *s, size_t n)
{
	uint32_t cp;
	size_t at = loom_next_char(s, &cp);
	enum kind kind = kind_of(cp);
	bool picture = loom_uc_is(cp, LOOM_UC_G_PICTURE), consonant = loom_uc_is(cp, LOOM_UC_G_CONSONANT), linked = false;
	size_t n_regional = kind == REGIONAL;
	while (at < n) {
		size_t len = loom_next_char(s + at, &cp);
		enum kind next = kind_of(cp);
		bool join = neighbours(kind, next);
		join = join || (kind == REGIONAL && next == REGIONAL && n_regional % 2 == 1);
		join = join || (kind == ZWJ && picture && next == OTHER && loom_uc_is(cp, LOOM_UC_G_PICTURE));
		join = join || (consonant && linked && next == OTHER && loom_uc_is(cp, LOOM_UC_G_CONSONANT));
		if (!join)
			break;
		if (next == EXTEND || next == ZWJ) {
			linked = linked || loom_uc_is(cp, LOOM_UC_G_LINKER);
			bool plain = next == ZWJ || loom_uc_is(cp, LOOM_UC_MARK_N) || loom_uc_is(cp, LOOM_UC_G_LINKER);
			consonant = consonant && plain;
		} else {
			picture = loom_uc_is(cp, LOOM_UC_G_PICTURE);
			consonant = loom_uc_is(cp, LOOM_UC_G_CONSONANT);
			linked = false;
		}
		n_regional = next == REGIONAL ? n_regional + 1 : 0;
		kind = next;
		at += len;
	}
	return at;
}
