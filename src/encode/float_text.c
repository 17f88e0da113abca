/* float_text.c: the shortest decimal of a float, after R. Giulietti, "The Schubfach way to render doubles" (2020), in its form for 32 bits: the interval
 * of what rounds to the float, scaled by a power of ten with two guard bits and a sticky one, holds at most one multiple of ten or two
 * neighbouring integers; the one nearest to the float is taken. */
#include "float_text.h"

#include <math.h>
#include <string.h>

#define MIN_POWER (-31)

/* floor(10^k / 2^r) + 1 with r = floor(log2 10^k) - 63, for k = -31 .. 46. */
static const uint64_t powers[] = {
	0x81ceb32c4b43fcf5u, 0xa2425ff75e14fc32u, 0xcad2f7f5359a3b3fu, 0xfd87b5f28300ca0eu,
	0x9e74d1b791e07e49u, 0xc612062576589ddbu, 0xf79687aed3eec552u, 0x9abe14cd44753b53u,
	0xc16d9a0095928a28u, 0xf1c90080baf72cb2u, 0x971da05074da7befu, 0xbce5086492111aebu,
	0xec1e4a7db69561a6u, 0x9392ee8e921d5d08u, 0xb877aa3236a4b44au, 0xe69594bec44de15cu,
	0x901d7cf73ab0acdau, 0xb424dc35095cd810u, 0xe12e13424bb40e14u, 0x8cbccc096f5088ccu,
	0xafebff0bcb24aaffu, 0xdbe6fecebdedd5bfu, 0x89705f4136b4a598u, 0xabcc77118461cefdu,
	0xd6bf94d5e57a42bdu, 0x8637bd05af6c69b6u, 0xa7c5ac471b478424u, 0xd1b71758e219652cu,
	0x83126e978d4fdf3cu, 0xa3d70a3d70a3d70bu, 0xcccccccccccccccdu, 0x8000000000000001u,
	0xa000000000000001u, 0xc800000000000001u, 0xfa00000000000001u, 0x9c40000000000001u,
	0xc350000000000001u, 0xf424000000000001u, 0x9896800000000001u, 0xbebc200000000001u,
	0xee6b280000000001u, 0x9502f90000000001u, 0xba43b74000000001u, 0xe8d4a51000000001u,
	0x9184e72a00000001u, 0xb5e620f480000001u, 0xe35fa931a0000001u, 0x8e1bc9bf04000001u,
	0xb1a2bc2ec5000001u, 0xde0b6b3a76400001u, 0x8ac7230489e80001u, 0xad78ebc5ac620001u,
	0xd8d726b7177a8001u, 0x878678326eac9001u, 0xa968163f0a57b401u, 0xd3c21bcecceda101u,
	0x84595161401484a1u, 0xa56fa5b99019a5c9u, 0xcecb8f27f4200f3bu, 0x813f3978f8940985u,
	0xa18f07d736b90be6u, 0xc9f2c9cd04674edfu, 0xfc6f7c4045812297u, 0x9dc5ada82b70b59eu,
	0xc5371912364ce306u, 0xf684df56c3e01bc7u, 0x9a130b963a6c115du, 0xc097ce7bc90715b4u,
	0xf0bdc21abb48db21u, 0x96769950b50d88f5u, 0xbc143fa4e250eb32u, 0xeb194f8e1ae525feu,
	0x92efd1b8d0cf37bfu, 0xb7abc627050305aeu, 0xe596b7b0c643c71au, 0x8f7e32ce7bea5c70u,
	0xb35dbf821ae4f38cu, 0xe0352f62a19e306fu,
};

/* floor(log2 10^k), |k| < 1233. */
static int log2_pow10(int k)
{
	return (k * 1741647) >> 19;
}

/* floor(log10 2^q), or of 3/4 2^q. */
static int log10_pow2(int q, bool three_quarters)
{
	return (q * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* The product's upper 32 bits above the 64 of the power, the rest as a sticky last bit. */
static uint32_t round_to_odd(uint64_t power, uint32_t c)
{
	unsigned __int128 p = (unsigned __int128)power * c;

	return (uint32_t)(p >> 64) | ((uint32_t)(p >> 32) > 1);
}

/* v > 0 as *exponent and digits: v = digits * 10^exponent. */
static uint32_t shortest(uint32_t bits, int *exponent)
{
	uint32_t fraction = bits & 0x7fffffu, biased = bits >> 23, c = biased ? fraction | 0x800000u : fraction;
	int q = biased ? (int)biased - 150 : -149;
	bool even = c % 2 == 0, near = fraction == 0 && biased > 1; /* a power of two: the float below is nearer than the one above */
	int k = log10_pow2(q, near), h = q + log2_pow10(-k) + 1;
	uint64_t power = powers[-k - MIN_POWER];
	uint32_t low = round_to_odd(power, (4 * c - 2 + near) << h), at = round_to_odd(power, (4 * c) << h), high = round_to_odd(power, (4 * c + 2) << h);
	uint32_t least = low + !even, most = high - !even, s = at / 4;
	bool down, up;

	if (s >= 10) {
		uint32_t t = s / 10;
		down = least <= 40 * t;
		up = 40 * t + 40 <= most;
		if (down != up) {
			*exponent = k + 1;
			return t + up;
		}
	}
	*exponent = k;
	down = least <= 4 * s;
	up = 4 * s + 4 <= most;
	if (down != up) {
		return s + up;
	}
	return s + (at > 4 * s + 2 || (at == 4 * s + 2 && s % 2 == 1));
}

/* Writes the decimal digits of n (at most 9); their number. */
static int put_digits(uint32_t n, char *out)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960"
		"6162636465666768697071727374757677787980818283848586878889909192939495969798" "99";
	char text[10];
	int at = 10;

	while (n >= 100) {
		at -= 2;
		memcpy(text + at, pairs + n % 100 * 2, 2);
		n /= 100;
	}
	if (n >= 10) {
		at -= 2;
		memcpy(text + at, pairs + n * 2, 2);
	} else {
		text[--at] = (char)('0' + n);
	}
	memcpy(out, text + at, (size_t)(10 - at));
	return 10 - at;
}

/* Digits d[0..n) stand for d[0].d[1].. * 10^e; in Python's manner: fixed from 1e-4 to below 1e16, else with an exponent. */
static char *lay_out(char *p, const char *d, int n, int e)
{
	if (e < -4 || e >= 16) {
		*p++ = d[0];
		if (n > 1) {
			*p++ = '.';
			memcpy(p, d + 1, (size_t)n - 1);
			p += n - 1;
		}
		*p++ = 'e';
		*p++ = e < 0 ? '-' : '+';
		e = e < 0 ? -e : e;
		*p++ = (char)('0' + e / 10);
		*p++ = (char)('0' + e % 10);
	} else if (e < 0) {
		memset(p, '0', 6);
		p[1] = '.';
		p += 1 - e;
		memcpy(p, d, (size_t)n);
		p += n;
	} else if (n > e + 1) {
		memcpy(p, d, (size_t)e + 1);
		p[e + 1] = '.';
		memcpy(p + e + 2, d + e + 1, (size_t)(n - e - 1));
		p += n + 1;
	} else {
		memcpy(p, d, (size_t)n);
		memset(p + n, '0', (size_t)(e + 1 - n));
		p[e + 1] = '.';
		p[e + 2] = '0';
		p += e + 3;
	}
	return p;
}

size_t loom_float_text(float v, char out[32])
{
	uint32_t bits, digits;
	char *p = out, text[10];
	int exponent, n;

	memcpy(&bits, &v, sizeof(bits));
	if (bits >> 31) {
		*p++ = '-';
		bits &= 0x7fffffffu;
	}
	if (bits == 0) {
		memcpy(p, "0.0", 4);
		return (size_t)(p + 3 - out);
	}
	digits = shortest(bits, &exponent);
	n = put_digits(digits, text);
	exponent += n - 1;
	while (n > 1 && text[n - 1] == '0') {
		n--;
	}
	p = lay_out(p, text, n, exponent);
	*p = '\0';
	return (size_t)(p - out);
}
