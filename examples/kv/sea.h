// What a guest may ask of its host, if it was allowed to. Each takes the place and
// length of a request and returns the length of the answer, or a negative number; see
// docs/PROTOCOL.md.
#ifndef SEA_H
#define SEA_H

#include <stdint.h>

#define SEA(name) __attribute__((import_module("sea"), import_name(#name))) int32_t sea_##name

SEA(kv_get)(const void *key, uint32_t size);
SEA(kv_put)(const void *key_lf_value, uint32_t size);
SEA(kv_delete)(const void *key, uint32_t size);
SEA(kv_list)(const void *prefix_lf_after, uint32_t size);
SEA(call)(const void *address_lf_scope_lf_body, uint32_t size);
SEA(publish)(const void *channel_lf_scope_lf_body, uint32_t size);
SEA(caller)(const void *nothing, uint32_t size);
SEA(log)(const void *line, uint32_t size);

// answer copies the answer that waits to a place that has room for it.
SEA(answer)(void *to);

#define SEA_ABSENT (-1)
#define SEA_DENIED (-2)
#define SEA_FAILED (-3)
#define SEA_INVALID (-4)

#endif
