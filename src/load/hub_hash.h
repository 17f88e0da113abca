/* hub_hash.h: the hash that names a blob: SHA-256 of its bytes (large files), or git's SHA-1 of "blob SIZE\0" and its bytes. */
#ifndef LOOM_HUB_HASH_H
#define LOOM_HUB_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loom_hub_hash {
	void *ctx; /* EVP_MD_CTX */
};
/* digits: 64 or 40, the length of the etag. false: no memory, or a libcrypto without the algorithm. */
bool loom_hub_hash_start(struct loom_hub_hash *h, size_t digits, uint64_t size);
bool loom_hub_hash_add(struct loom_hub_hash *h, const void *data, size_t n);
/* The hash so far, in lower-case hex; ends it. */
bool loom_hub_hash_end(struct loom_hub_hash *h, char out[65]);
void loom_hub_hash_release(struct loom_hub_hash *h);

#endif
