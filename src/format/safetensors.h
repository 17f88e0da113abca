/* safetensors.h: one safetensors file's header into a store, by every rule of the reference parser
 * (huggingface/safetensors, tensor.rs): header cap, offsets without holes or overlap, exact file length,
 * checked sizes; beyond it, duplicate keys are refused. Data is not read here. */
#ifndef LOOM_SAFETENSORS_H
#define LOOM_SAFETENSORS_H

#include "store.h"

/* Opens path (called `name` in messages) and adds its tensors. A tensor name that the store already has is
 * an error. On failure the store may hold a part; release it. Errors are LOOM_E_MODEL (missing:
 * LOOM_E_NOT_FOUND). */
enum loom_status loom_safetensors_open(struct loom_store *s, const char *path, const char *name, struct loom_err *err)
	LOOM_MUST_CHECK;

#endif
