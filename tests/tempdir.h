/* tempdir.h: a folder that a test fills with files of its own and that goes when the test ends. */
#ifndef LOOM_TESTS_TEMPDIR_H
#define LOOM_TESTS_TEMPDIR_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tempdir {
	char path[64];
};

static inline void tempdir_make(struct tempdir *t)
{
	snprintf(t->path, sizeof t->path, "/tmp/loom-test-XXXXXX");
	if (!mkdtemp(t->path)) {
		perror("mkdtemp");
		exit(1);
	}
}

static inline int tempdir_unlink(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st, (void)flag, (void)f;
	return remove(path);
}

static inline void tempdir_remove(struct tempdir *t)
{
	(void)nftw(t->path, tempdir_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of a name in it; good until the next call but three. */
static inline const char *tempdir_path(const struct tempdir *t, const char *name)
{
	static char paths[4][PATH_MAX];
	static int at;
	char *p = paths[at = (at + 1) % 4];
	snprintf(p, PATH_MAX, "%s/%s", t->path, name);
	return p;
}

/* Writes a file, making the folders on the way. */
static inline const char *tempdir_write(const struct tempdir *t, const char *name, const void *data, size_t n)
{
	const char *path = tempdir_path(t, name);
	char dir[PATH_MAX];
	snprintf(dir, sizeof dir, "%s", path);
	for (char *s = dir + strlen(t->path) + 1; (s = strchr(s, '/')); *s++ = '/') {
		*s = '\0';
		(void)mkdir(dir, 0700);
	}
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(data, 1, n, f) != n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	return path;
}

static inline const char *tempdir_text(const struct tempdir *t, const char *name, const char *text)
{
	return tempdir_write(t, name, text, strlen(text));
}

#endif
