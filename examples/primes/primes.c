// primes N prints how many primes are at most N, by a segmented sieve of
// Eratosthenes: memory grows with the square root of N only.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT = 1 << 15 };

static unsigned long long count(unsigned long long n) {
	if (n < 2)
		return 0;

	unsigned long long root = 1;
	while ((root + 1) * (root + 1) <= n)
		root++;
	unsigned char *composite = calloc(root + 1, 1);
	unsigned long long *prime = malloc((root + 1) * sizeof *prime);
	unsigned long long *next = malloc((root + 1) * sizeof *next);
	if (!composite || !prime || !next) {
		fputs("primes: out of memory\n", stderr);
		exit(1);
	}
	size_t primes = 0;
	for (unsigned long long i = 2; i <= root; i++) {
		if (composite[i])
			continue;
		prime[primes] = i;
		next[primes++] = i * i;
		for (unsigned long long j = i * i; j <= root; j += i)
			composite[j] = 1;
	}

	static unsigned char crossed[SEGMENT];
	unsigned long long found = 0;
	for (unsigned long long low = 2; low <= n; low += SEGMENT) {
		unsigned long long high = low + SEGMENT - 1 < n ? low + SEGMENT - 1 : n;
		memset(crossed, 0, sizeof crossed);
		for (size_t k = 0; k < primes && prime[k] * prime[k] <= high; k++) {
			unsigned long long j = next[k];
			for (; j <= high; j += prime[k])
				crossed[j - low] = 1;
			next[k] = j;
		}
		for (unsigned long long i = low; i <= high; i++)
			found += !crossed[i - low];
	}
	return found;
}

int main(int argc, char **argv) {
	char *end;
	errno = 0;
	unsigned long long n = argc == 2 ? strtoull(argv[1], &end, 10) : 0;
	if (argc != 2 || *argv[1] == '\0' || *end != '\0' || errno || n > 1000000000000ULL) {
		fputs("usage: primes N    (N at most 1000000000000)\n", stderr);
		return 2;
	}
	printf("%llu\n", count(n));
	return 0;
}
