// mandelbrot [WIDTH [HEIGHT]] draws the Mandelbrot set into out/mandelbrot.png
// (640 by 480 unless told) and prints the file's name. The PNG is written by
// hand with stored deflate blocks (RFC 1951 §3.2.4), so no library is needed.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 512 };

static uint32_t crc_table[256];

static void make_crc_table(void) {
	for (uint32_t n = 0; n < 256; n++) {
		uint32_t c = n;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		crc_table[n] = c;
	}
}

static void put32(uint8_t *p, uint32_t v) {
	p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v;
}

static void chunk(FILE *f, const char *name, const uint8_t *data, uint32_t len) {
	uint8_t word[4];
	put32(word, len);
	fwrite(word, 1, 4, f);
	fwrite(name, 1, 4, f);
	fwrite(data, 1, len, f);
	uint32_t c = 0xffffffffu;
	for (int i = 0; i < 4; i++)
		c = crc_table[(c ^ (uint8_t)name[i]) & 255] ^ (c >> 8);
	for (uint32_t i = 0; i < len; i++)
		c = crc_table[(c ^ data[i]) & 255] ^ (c >> 8);
	put32(word, c ^ 0xffffffffu);
	fwrite(word, 1, 4, f);
}

// zlib wraps len bytes in stored blocks and returns the length written to out,
// which must hold len + 5 * (len / 65535 + 1) + 6 bytes.
static size_t zlib(uint8_t *out, const uint8_t *in, size_t len) {
	uint8_t *p = out;
	*p++ = 0x78, *p++ = 0x01;
	uint32_t a = 1, b = 0;
	for (size_t at = 0; at < len;) {
		size_t n = len - at < 65535 ? len - at : 65535;
		*p++ = at + n == len;
		*p++ = n, *p++ = n >> 8, *p++ = ~n, *p++ = ~n >> 8;
		memcpy(p, in + at, n);
		for (size_t i = 0; i < n; i++) {
			a = (a + in[at + i]) % 65521;
			b = (b + a) % 65521;
		}
		p += n, at += n;
	}
	put32(p, b << 16 | a);
	return p + 4 - out;
}

static int escape(double cx, double cy) {
	double x = 0, y = 0;
	int n = 0;
	while (n < LIMIT && x * x + y * y <= 4) {
		double t = x * x - y * y + cx;
		y = 2 * x * y + cy;
		x = t;
		n++;
	}
	return n;
}

int main(int argc, char **argv) {
	long width = argc > 1 ? strtol(argv[1], NULL, 10) : 640;
	long height = argc > 2 ? strtol(argv[2], NULL, 10) : width * 3 / 4;
	if (argc > 3 || width < 1 || height < 1 || width > 8192 || height > 8192) {
		fputs("usage: mandelbrot [WIDTH [HEIGHT]]    (each 1 to 8192)\n", stderr);
		return 2;
	}

	size_t row = 1 + 3 * (size_t)width, len = row * height;
	uint8_t *pixels = malloc(len), *packed = malloc(len + 5 * (len / 65535 + 1) + 6);
	if (!pixels || !packed) {
		fputs("mandelbrot: out of memory\n", stderr);
		return 1;
	}
	double scale = 3.0 / width;
	for (long j = 0; j < height; j++) {
		uint8_t *p = pixels + row * j;
		*p++ = 0; // PNG filter: none
		for (long i = 0; i < width; i++) {
			int n = escape(-2.2 + i * scale, (j - height / 2.0) * scale);
			int v = n == LIMIT ? 0 : 32 + n * 7 % 224;
			*p++ = v, *p++ = v * v / 255, *p++ = n == LIMIT ? 0 : 255 - v / 2;
		}
	}

	const char *name = "out/mandelbrot.png";
	FILE *f = fopen(name, "wb");
	if (!f) {
		perror(name);
		return 1;
	}
	make_crc_table();
	fwrite("\x89PNG\r\n\x1a\n", 1, 8, f);
	uint8_t header[13] = {[8] = 8, [9] = 2}; // 8 bits a channel, true colour
	put32(header, width);
	put32(header + 4, height);
	chunk(f, "IHDR", header, sizeof header);
	chunk(f, "IDAT", packed, zlib(packed, pixels, len));
	chunk(f, "IEND", NULL, 0);
	if (fclose(f) != 0) {
		perror(name);
		return 1;
	}
	printf("%s\n", name);
	return 0;
}
