/* bounds.h: the cap of every size that comes from outside. */
#ifndef LOOM_BOUNDS_H
#define LOOM_BOUNDS_H

#define LOOM_MAX_JSON_DEPTH 64
#define LOOM_MAX_CONFIG_BYTES (16u << 20)
#define LOOM_MAX_TOKENIZER_BYTES (256u << 20)
#define LOOM_MAX_ST_HEADER_BYTES 100000000u /* as the safetensors reference */
#define LOOM_MAX_TENSORS 1000000u
#define LOOM_MAX_SHARDS 4096u
#define LOOM_MAX_GGUF_STRING (1u << 30)
#define LOOM_MAX_GGUF_ARRAY (1u << 30)
#define LOOM_MAX_TENSOR_NAME 512u

#define LOOM_MAX_LAYER 1024
#define LOOM_MAX_EMBD (1 << 20)
#define LOOM_MAX_VOCAB (1 << 24)
#define LOOM_MAX_HEAD 4096
#define LOOM_MAX_CONTEXT (1 << 24)
#define LOOM_MAX_RELATIVE 65536 /* distances of keys and queries that a table tells apart */
#define LOOM_MAX_ADAPTER 64       /* low-rank adapters of a model */
#define LOOM_MAX_TAP 64 /* of a convolution */
#define LOOM_MAX_STATE 4096 /* of a column */
#define LOOM_MAX_POSITION_NUMBERS (1ll << 32) /* of a table of positions: rows times width */
#define LOOM_MAX_EXPERT 4096
#define LOOM_MAX_USED 256 /* experts of one token */

#define LOOM_MAX_CAPTURES 16
#define LOOM_MAX_STOPS 16
#define LOOM_MAX_STOP_BYTES 4096
#define LOOM_MAX_BATCH_ITEMS 100
#define LOOM_MAX_LOGPROBS 20
#define LOOM_MAX_BODY_BYTES (64u << 20)
#define LOOM_MAX_RESPONSE_BYTES (1ull << 30)
#define LOOM_MAX_URI_BYTES 8192
#define LOOM_MAX_HEADERS 100
#define LOOM_MAX_HEADER_BYTES (16u << 10)
#define LOOM_MAX_CONNECTIONS 1024
#define LOOM_MAX_QUEUE 512
#define LOOM_MAX_THREADS 256
#define LOOM_DEFAULT_MAX_CONTEXT 131072

#endif
