/* jsonline.c: see jsonline.h. A walk over the text beside the path; nothing is stored. */
#include "jsonline.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	const char *text;
	size_t n, at;
	int line;
};

static void space(struct walk *w)
{
	while (w->at < w->n && strchr(" \t\r\n", w->text[w->at]) && w->text[w->at]) {
		w->line += w->text[w->at++] == '\n';
	}
}

static bool is(struct walk *w, char c)
{
	space(w);
	return w->at < w->n && w->text[w->at] == c;
}

static bool take(struct walk *w, char c)
{
	bool there = is(w, c);

	w->at += there;
	return there;
}

/* Over a string; its first byte after the quote in *start, its length as written in *len. */
static void string(struct walk *w, size_t *start, size_t *len)
{
	*start = ++w->at;
	while (w->at < w->n && w->text[w->at] != '"') {
		w->at += w->text[w->at] == '\\' ? 2 : 1;
	}
	*len = w->at - *start;
	w->at++;
}

/* Over a value of any kind. */
static void skip(struct walk *w)
{
	size_t start, len;
	int depth = 0;

	do {
		space(w);
		if (w->at >= w->n) {
			return;
		}
		char c = w->text[w->at];
		if (c == '"') {
			string(w, &start, &len);
		} else {
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
			w->at++;
			while (depth == 0 && w->at < w->n && !strchr(",]} \t\r\n", w->text[w->at]) && !strchr("}]", c)) {
				w->at++;
			}
		}
	} while (depth > 0);
}

/* Into the member that path begins with, of the object that w stands at: at its value then, with the line of its name in *line. Names may
 * hold dots. Returns the length of the name, 0 when there is none. */
static size_t member(struct walk *w, const char *path, int *line)
{
	size_t start, len;

	if (!take(w, '{')) {
		return 0;
	}
	while (is(w, '"')) {
		int here = w->line;
		string(w, &start, &len);
		(void)take(w, ':');
		if (len > 0 && strncmp(path, w->text + start, len) == 0 && (path[len] == '.' || path[len] == '[' || path[len] == '\0')) {
			*line = here;
			return len;
		}
		skip(w);
		(void)take(w, ',');
	}
	return 0;
}

static bool element(struct walk *w, long index, int *line)
{
	if (!take(w, '[')) {
		return false;
	}
	for (long i = 0; !is(w, ']') && w->at < w->n; i++) {
		if (i == index) {
			*line = w->line;
			return true;
		}
		skip(w);
		(void)take(w, ',');
	}
	return false;
}

int loom_json_line(const char *text, size_t n, const char *path)
{
	struct walk w = {text, n, 0, 1};
	int line;

	space(&w);
	line = w.line;
	while (*path) {
		size_t len;
		char *end = NULL;
		if (*path == '[') {
			if (!element(&w, strtol(path + 1, &end, 10), &line)) {
				break;
			}
			path = end + (*end == ']');
		} else {
			len = member(&w, path, &line);
			if (len == 0) {
				break;
			}
			path += len;
		}
		path += *path == '.';
	}
	return line;
}
