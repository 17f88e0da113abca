/* hub_hash.c: libcrypto's digests under the two names that the hub gives to blobs. See hub_hash.h. */
#include "hub_hash.h"

#include <openssl/evp.h>
#include <stdio.h>

bool loom_hub_hash_start(struct loom_hub_hash *h, size_t digits, uint64_t size)
{
	char head[40];

	loom_hub_hash_release(h);
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, digits == 64 ? EVP_sha256() : EVP_sha1(), NULL) != 1) {
		return false;
	}
	if (digits == 64) {
		return true;
	}
	int n = snprintf(head, sizeof(head), "blob %llu", (unsigned long long)size);
	return loom_hub_hash_add(h, head, (size_t)n + 1); /* with its NUL */
}

bool loom_hub_hash_add(struct loom_hub_hash *h, const void *data, size_t n)
{
	return EVP_DigestUpdate(h->ctx, data, n) == 1;
}

bool loom_hub_hash_end(struct loom_hub_hash *h, char out[65])
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	bool ok = EVP_DigestFinal_ex(h->ctx, md, &n) == 1 && n <= 32;

	out[0] = '\0';
	for (unsigned i = 0; ok && i < n; i++) {
		(void)snprintf(out + (size_t)2 * i, 3, "%02x", md[i]);
	}
	loom_hub_hash_release(h);
	return ok;
}

void loom_hub_hash_release(struct loom_hub_hash *h)
{
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
}
