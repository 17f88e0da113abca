/* gguf_pre.c: see gguf_pre.h. The patterns are facts of the models' own files. */
#include "gguf_pre.h"

#include <string.h>

/* Steps that are no patterns. */
static const char BYTES[] = "ByteLevel", BYTES_SPLIT[] = "ByteLevel with its pattern", DIGITS[] = "Digits, each",
	NUMBERS[] = "Digits", PUNCTUATION[] = "Punctuation", PUNCTUATION_RUNS[] = "Punctuation, contiguous";

#define SHORT "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define TAIL "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define WORDS(digits) SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(suffix, digits) \
	"[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix \
	"|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" TAIL
#define TRIPLE "\\p{N}{1,3}"
#define SINGLE "\\p{N}"
#define SPACE_CASCADE "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|" \
	"\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"
#define HAN_KANA "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"
#define CJK "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+"
#define PUNCTUATED "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
#define SENTENCE " ?[^(\\s|[.,!?\xE2\x80\xA6\xE3\x80\x82\xEF\xBC\x8C\xE3\x80\x81\xE0\xA5\xA4\xDB\x94\xD8\x8C])]+"
#define ASIAN "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{F900}-\\x{FAFF}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}" \
	"\\x{E40}-\\x{E7F}\\x{E80}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+"
/* Kimi: letters that are not Han. */
#define NO_HAN(letters) "(?:(?!\\p{Han})" letters ")"
#define KIMI_WORD(upper, lower) "[^\\r\\n\\p{L}\\p{N}]?" NO_HAN(UPPER) upper NO_HAN(LOWER) lower SHORT "?|"
/* DeepSeek's first: letters of scripts with case. */
#define CASED_LETTERS \
	"\\s?[A-Za-z\xC2\xB5\xC3\x80-\xC3\x96\xC3\x98-\xC3\xB6\xC3\xB8-\xC6\xBA\xC6\xBC-\xC6\xBF\xC7\x84-\xCA\x93\xCA\x95-\xCA\xAF" \
	"\xCD\xB0-\xCD\xB3\xCD\xB6\xCD\xB7\xCD\xBB-\xCD\xBD\xCD\xBF\xCE\x86\xCE\x88-\xCE\x8A\xCE\x8C\xCE\x8E-\xCE\xA1\xCE\xA3-\xCF\xB5" \
	"\xCF\xB7-\xD2\x81\xD2\x8A-\xD4\xAF\xD4\xB1-\xD5\x96\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}" \
	"\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}" \
	"\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}" \
	"\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}" \
	"\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}\\x{2124}\\x{2126}" \
	"\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}" \
	"\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}" \
	"\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}" \
	"\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}" \
	"\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}]+"

#define NAMES(...) (const char *const[]){ __VA_ARGS__, NULL }

static const struct loom_gguf_pre pres[] = {
	{ NAMES("default", "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe",
		"gigachat", "a.x-4.0", "mellum", "jais", "trillion", "granite-docling", "exaone4"), false, false, false, { BYTES_SPLIT } },
	{ NAMES("mpt", "olmo", "modern-bert"), true, false, false, { BYTES_SPLIT } },
	{ NAMES("smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"), false, false, false,
		{ DIGITS, BYTES_SPLIT } },
	{ NAMES("command-r"), true, false, false, { DIGITS, BYTES_SPLIT } },
	{ NAMES("falcon"), false, false, false, { PUNCTUATION_RUNS, BYTES_SPLIT, NUMBERS, "[0-9][0-9][0-9]" } },
	{ NAMES("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"), false, true, true,
		{ WORDS(TRIPLE), BYTES } },
	{ NAMES("dbrx", "smaug-bpe"), false, false, false, { WORDS(TRIPLE), BYTES } },
	{ NAMES("chatglm-bpe", "glm4", "glm5"), false, true, false, { WORDS(TRIPLE), BYTES } },
	{ NAMES("jais-2"), false, false, false,
		{ SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" TRIPLE "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" SPACE_CASCADE, BYTES } },
	{ NAMES("qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"), true, false, false, { WORDS(SINGLE), BYTES } },
	{ NAMES("stablelm2", "hunyuan", "solar-open", "grok-2"), false, false, false, { WORDS(SINGLE), BYTES } },
	{ NAMES("qwen35"), true, false, false, { SHORT "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|" SINGLE
		"| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" TAIL, BYTES } },
	{ NAMES("ufakzeka"), false, false, false, { "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" SINGLE "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL, BYTES } },
	{ NAMES("laguna"), false, false, false, { "[^\\n]+|[\\n]+", WORDS(SINGLE), BYTES } },
	{ NAMES("minicpm5"), false, true, false, { TRIPLE, WORDS("\\p{N}+"), BYTES } },
	{ NAMES("seed-coder"), false, false, false, { SHORT "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" TAIL, BYTES } },
	{ NAMES("bailingmoe", "bailingmoe2", "llada-moe"), false, false, false, { "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|" SINGLE
		"| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", BYTES } },
	{ NAMES("exaone-moe"), false, false, false, { SHORT "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|" SINGLE
		"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", BYTES } },
	{ NAMES("tekken"), false, true, true, { CASED("", SINGLE), BYTES } },
	{ NAMES("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"), false, false, false, { CASED(SHORT "?", TRIPLE), BYTES } },
	{ NAMES("granite-embed-multi-97m"), false, true, false, { CASED(SHORT "?", TRIPLE), BYTES } },
	{ NAMES("tiny_aya", "cohere2moe"), false, true, false, { "\\d{1,3}(?=(?:\\d{3})*\\b)", CASED(SHORT "?", TRIPLE), BYTES } },
	{ NAMES("kimi-k2"), false, false, false, { "\\p{Han}+|" KIMI_WORD("*", "+") KIMI_WORD("+", "*") TRIPLE
		"| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" TAIL, BYTES } },
	{ NAMES("youtu"), false, true, false, { "[\xEA\xB0\x80-\xED\x9E\xA3\xE3\x84\xB1-\xE3\x86\x8E]+|[\xEF\xBC\x81\xE2\x80\xA6\xE2\x80\x9C"
		"\xE2\x80\x9D\xE2\x80\x98\xE2\x80\x99\xE2\x80\x94\xEF\xBC\x9A\xEF\xBC\x9B\xEF\xBC\x8C\xE3\x80\x81-\xE3\x80\xBF\xEF\xB8\xB0-"
		"\xEF\xB9\x8F]+|[\xE3\x84\x85-\xE3\x84\xAF]+|" HAN_KANA, CASED(SHORT "?", SINGLE), BYTES } },
	{ NAMES("deepseek-llm"), false, false, false, { "[\\r\\n]", CASED_LETTERS, "\\s?[!-/:-~\xEF\xBC\x81-\xEF\xBC\x8F\xEF\xBC\x9A-\xEF\xBD\x9E"
		"\xE2\x80\x98-\xE2\x80\x9F\xE3\x80\x80-\xE3\x80\x82]+", "\\s+$", CJK, DIGITS, BYTES } },
	{ NAMES("deepseek-coder"), false, false, false, { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, DIGITS, BYTES } },
	{ NAMES("deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"), false, false, false,
		{ TRIPLE, HAN_KANA, PUNCTUATED "[\\r\\n]*|" TAIL, BYTES } },
	{ NAMES("spark2_5"), false, false, false, { TRIPLE, HAN_KANA, (PUNCTUATED "|[\\r\\n]|\\s+(?!\\S)|\\s+"), SINGLE, BYTES } },
	{ NAMES("afmoe"), false, false, false, { "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", ASIAN, PUNCTUATED "[\\r\\n]*|" TAIL, BYTES } },
	{ NAMES("bloom", "poro-chat", "gpt3-finnish"), false, false, false, { SENTENCE, BYTES } },
	{ NAMES("viking"), false, false, false, { SENTENCE, DIGITS, BYTES } },
	{ NAMES("superbpe"), false, false, false, { "\\p{N}+", "(?=(\\d{3})+(?!\\d))", BYTES } },
	{ NAMES("chameleon"), false, false, true, { "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", DIGITS,
		PUNCTUATION, BYTES_SPLIT } },
};

const struct loom_gguf_pre *loom_gguf_pre_find(const char *name)
{
	for (size_t i = 0; i < sizeof pres / sizeof pres[0]; i++)
		for (const char *const *n = pres[i].names; *n; n++)
			if (strcmp(*n, name) == 0)
				return &pres[i];
	return NULL;
}

const char *loom_gguf_pre_name(const struct loom_gguf_pre *p)
{
	return strcmp(p->names[0], "default") == 0 ? p->names[1] : p->names[0];
}

const struct loom_gguf_pre *loom_gguf_pre_at(size_t i)
{
	return i < sizeof pres / sizeof pres[0] ? &pres[i] : NULL;
}

static json_t *step_of(const char *s)
{
	if (s == BYTES || s == BYTES_SPLIT)
		return json_pack("{s:s,s:b,s:b,s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", s == BYTES_SPLIT);
	if (s == DIGITS || s == NUMBERS)
		return json_pack("{s:s,s:b}", "type", "Digits", "individual_digits", s == DIGITS);
	if (s == PUNCTUATION || s == PUNCTUATION_RUNS)
		return json_pack("{s:s,s:s}", "type", "Punctuation", "behavior", s == PUNCTUATION ? "Isolated" : "Contiguous");
	return json_pack("{s:s,s:{s:s},s:s,s:b}", "type", "Split", "pattern", "Regex", s, "behavior", "Isolated", "invert", 0);
}

json_t *loom_gguf_pre_stages(const struct loom_gguf_pre *p)
{
	json_t *steps = json_array();
	for (size_t i = 0; i < sizeof p->steps / sizeof p->steps[0] && p->steps[i]; i++)
		if (json_array_append_new(steps, step_of(p->steps[i]))) {
			json_decref(steps);
			return NULL;
		}
	json_t *normalizer = p->nfc ? json_pack("{s:s}", "type", "NFC") : json_null();
	return json_pack("{s:o,s:{s:s,s:o},s:{s:s}}", "normalizer", normalizer, "pre_tokenizer", "type", "Sequence", "pretokenizers", steps,
		"decoder", "type", "ByteLevel");
}
