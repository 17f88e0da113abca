/* backend.c: device names → backends. The CUDA one is added here when its module is built. */
#include "cpu.h"
#include "loom_backend.h"
#include "str.h"

const struct loom_backend *loom_backend_find(const char *device)
{
	return loom_str_eq(device, "cpu") ? &loom_backend_cpu : NULL;
}
