// kv is a guest plugin: a store of keys and values that anyone may call.
//
//	seaworker plugin enable examples/kv/kv.wasm --scope kv --allow store
//	seaworker call ADDRESS kv:put '["greeting", "hello"]'     true
//	seaworker call ADDRESS kv:get '"greeting"'                "hello"
//	seaworker call ADDRESS kv:delete '"greeting"'             true
//	seaworker call ADDRESS kv:list '"gr"'                     ["greeting"]
//
// Bodies are CBOR (RFC 8949). A value is kept as the CBOR that it came as.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sea.h"

// refuse ends the call: the caller is told why.
static _Noreturn void refuse(const char *why) {
	fprintf(stderr, "%s\n", why);
	exit(1);
}

// bytes is an answer as the host takes it: its place above, its length below.
static uint64_t bytes(const void *at, size_t n) {
	return (uint64_t)(uintptr_t)at << 32 | n;
}

static uint64_t truth(int yes) {
	static uint8_t b;
	b = yes ? 0xf5 : 0xf4;
	return bytes(&b, 1);
}

static uint8_t *room(size_t n) {
	uint8_t *p = malloc(n ? n : 1);
	if (!p)
		refuse("out of memory");
	return p;
}

// text reads the head of a text and moves p to its bytes.
static uint32_t text(const uint8_t **p, const uint8_t *end) {
	static const char *want = "want a text of 1 to 200 bytes as the key";
	if (*p >= end)
		refuse(want);
	uint32_t n = *(*p)++;
	if (n >= 0x60 && n < 0x78)
		n -= 0x60;
	else if (n == 0x78 && *p < end)
		n = *(*p)++;
	else
		refuse(want);
	if (n > 200 || n > (size_t)(end - *p))
		refuse(want);
	return n;
}

// check makes the host's negative numbers refusals, all but that of absence.
static int32_t check(int32_t n) {
	switch (n) {
	case SEA_DENIED:
		refuse("the store is full, or this call has used it too often");
	case SEA_INVALID:
		refuse("keys have 1 to 200 bytes without line ends");
	case SEA_FAILED:
		refuse("the store failed");
	}
	return n;
}

__attribute__((export_name("put"))) uint64_t put(const uint8_t *body, uint32_t size) {
	const uint8_t *p = body, *end = body + size;
	if (p >= end || *p++ != 0x82)
		refuse("want [key, value]");
	uint32_t n = text(&p, end);
	size_t value = end - p - n;
	if (value == 0)
		refuse("want [key, value]");
	uint8_t *request = room(n + 1 + value);
	memcpy(request, p, n);
	request[n] = '\n';
	memcpy(request + n + 1, p + n, value);
	check(sea_kv_put(request, n + 1 + value));
	return truth(1);
}

__attribute__((export_name("get"))) uint64_t get(const uint8_t *body, uint32_t size) {
	static const uint8_t null = 0xf6;
	const uint8_t *p = body;
	uint32_t n = text(&p, body + size);
	int32_t found = check(sea_kv_get(p, n));
	if (found == SEA_ABSENT)
		return bytes(&null, 1);
	uint8_t *value = room(found);
	return bytes(value, sea_answer(value));
}

__attribute__((export_name("delete"))) uint64_t delete(const uint8_t *body, uint32_t size) {
	const uint8_t *p = body;
	uint32_t n = text(&p, body + size);
	return truth(check(sea_kv_delete(p, n)) != SEA_ABSENT);
}

// list answers with the first 1,000 keys that begin with a prefix.
__attribute__((export_name("list"))) uint64_t list(const uint8_t *body, uint32_t size) {
	const uint8_t *p = body;
	uint32_t n = text(&p, body + size);
	int32_t found = check(sea_kv_list(p, n));
	uint8_t *keys = room(found);
	sea_answer(keys);
	uint32_t count = 0;
	for (int32_t i = 0; i < found; i++)
		count += keys[i] == '\n';
	uint8_t *out = room(found + count + 3), *q = out;
	if (count < 24)
		*q++ = 0x80 + count;
	else if (count < 256)
		*q++ = 0x98, *q++ = count;
	else
		*q++ = 0x99, *q++ = count >> 8, *q++ = count;
	for (const uint8_t *key = keys; count > 0; count--) {
		uint32_t k = (const uint8_t *)memchr(key, '\n', keys + found - key) - key;
		if (k < 24)
			*q++ = 0x60 + k;
		else
			*q++ = 0x78, *q++ = k;
		memcpy(q, key, k);
		q += k;
		key += k + 1;
	}
	return bytes(out, q - out);
}
