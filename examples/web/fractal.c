// fractal LEFT TOP STEP WIDTH HEIGHT prints WIDTH × HEIGHT bytes, row by row: how
// soon each point of the Mandelbrot set's plane leaves it, 1 to 255, or 0 for
// those that do not in LIMIT rounds. The first point is LEFT + TOP i, the next one
// is STEP to its right.
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 1000, MOST = 1024 };

static unsigned char leaves(double x, double y) {
	double a = 0, b = 0;
	for (int n = 0; n < LIMIT; n++) {
		double aa = a * a, bb = b * b;
		if (aa + bb > 4)
			return n % 255 + 1;
		b = 2 * a * b + y;
		a = aa - bb + x;
	}
	return 0;
}

int main(int argc, char **argv) {
	if (argc != 6) {
		fputs("usage: fractal LEFT TOP STEP WIDTH HEIGHT\n", stderr);
		return 2;
	}
	double left = atof(argv[1]), top = atof(argv[2]), step = atof(argv[3]);
	int width = atoi(argv[4]), height = atoi(argv[5]);
	if (width < 1 || width > MOST || height < 1 || height > MOST) {
		fputs("fractal: a width and a height of 1 to 1024\n", stderr);
		return 2;
	}
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			putchar(leaves(left + x * step, top - y * step));
	return 0;
}
