/* unicode.c: the classes of unicode.h, over utf8proc's data. */
#include "unicode.h"

#include <utf8proc.h>

static bool in_ranges(const struct loom_uc_ranges *set, uint32_t cp)
{
	size_t lo = 0, hi = set->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->r[mid].last < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < set->n && set->r[lo].first <= cp;
}

bool loom_uc_is(uint32_t cp, enum loom_uc cls)
{
	const struct loom_uc_class *c = &loom_uc_classes[cls];
	if (c->categories >> utf8proc_category((utf8proc_int32_t)cp) & 1)
		return !in_ranges(&c->clear, cp);
	return in_ranges(&c->set, cp);
}

bool loom_uc_is_space(uint32_t cp)
{
	if (cp < 0x80)
		return cp == ' ' || (cp >= 9 && cp <= 13);
	return cp == 0x85 || cp == 0xA0 || cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
	       cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

int loom_uc_script(uint32_t cp)
{
	size_t lo = 0, hi = loom_uc_n_scripts;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (loom_uc_scripts[mid].last < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < loom_uc_n_scripts && loom_uc_scripts[lo].first <= cp ? loom_uc_scripts[lo].script : LOOM_SCRIPT_ANY;
}

int loom_uc_to_lower(uint32_t cp, uint32_t out[2])
{
	if (cp < 0x80) {
		out[0] = cp >= 'A' && cp <= 'Z' ? cp + 32 : cp;
		return 1;
	}
	size_t lo = 0, hi = loom_uc_n_lower;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (loom_uc_lower[mid].cp < cp)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo < loom_uc_n_lower && loom_uc_lower[lo].cp == cp) {
		out[0] = loom_uc_lower[lo].to[0];
		out[1] = loom_uc_lower[lo].to[1];
		return out[1] ? 2 : 1;
	}
	out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)cp);
	return 1;
}

size_t loom_uc_decompose(uint32_t cp, bool compat, uint32_t *out, size_t cap)
{
	utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | (compat ? UTF8PROC_COMPAT : 0);
	int last = 0;
	utf8proc_ssize_t n = 0;
	if (cp >= 0x80 && !in_ranges(compat ? &loom_uc_no_nfkd : &loom_uc_no_nfd, cp))
		n = utf8proc_decompose_char((utf8proc_int32_t)cp, (utf8proc_int32_t *)out, (utf8proc_ssize_t)cap, options, &last);
	if (n < 1 || (size_t)n > cap) {
		out[0] = cp;
		return 1;
	}
	return (size_t)n;
}

int loom_uc_combining_class(uint32_t cp)
{
	if (cp < 0x300 || in_ranges(&loom_uc_no_ccc, cp))
		return 0;
	return utf8proc_get_property((utf8proc_int32_t)cp)->combining_class;
}

uint32_t loom_uc_compose(uint32_t a, uint32_t b)
{
	utf8proc_int32_t pair[3] = { (utf8proc_int32_t)a, (utf8proc_int32_t)b, 0 };
	if (b < 0x300)
		return 0; /* nothing below composes with what stands before it */
	if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_STABLE | UTF8PROC_COMPOSE) != 1)
		return 0;
	uint32_t c = (uint32_t)pair[0];
	return in_ranges(&loom_uc_no_nfd, c) ? 0 : c;
}

uint32_t loom_byte_char(uint8_t b)
{
	if ((b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE)
		return b;
	if (b <= ' ')
		return 0x100u + b;
	return b == 0xAD ? 0x143 : 0x121u + (b - 0x7Fu);
}

int loom_char_byte(uint32_t cp)
{
	if ((cp >= '!' && cp <= '~') || (cp >= 0xA1 && cp <= 0xAC) || (cp >= 0xAE && cp <= 0xFF))
		return (int)cp;
	if (cp >= 0x100 && cp <= 0x120)
		return (int)(cp - 0x100);
	if (cp >= 0x121 && cp <= 0x142)
		return (int)(cp - 0x121 + 0x7F);
	return cp == 0x143 ? 0xAD : -1;
}
