/* starve.c: LD_PRELOAD: a process whose memory runs out now and then. The file that LOOM_STARVE names holds 8 bytes: the first four are a number N
 * as a little-endian integer, and then about one allocation in N fails (0: none does); the others count the failures. For tests/api/test_overload.py. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static _Atomic uint32_t *control; /* [2] */
static _Atomic uint64_t state = 88172645463325252u;

static void *map(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

__attribute__((constructor)) static void open_control(void)
{
	const char *path = getenv("LOOM_STARVE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? map(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (p != MAP_FAILED)
		control = p;
	if (fd >= 0)
		close(fd);
}

static int refused(void)
{
	uint32_t n = control ? atomic_load(control) : 0;
	uint64_t x;
	if (n == 0)
		return 0;
	x = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	if ((x >> 33) % n != 0)
		return 0;
	atomic_fetch_add(control + 1, 1);
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return refused() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return refused() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return refused() ? NULL : __libc_realloc(p, n);
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return refused() ? MAP_FAILED : map(at, n, prot, flags, fd, off);
}
