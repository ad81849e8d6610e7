// wordfreq [N] reads text from standard input and prints the N most frequent
// words (10 unless told) with their counts, most frequent first, ties in
// alphabetical order. A word is a run of ASCII letters, or of bytes above 127,
// so UTF-8 words stay whole; ASCII letters are folded to lower case.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *word;
	size_t count;
};

static struct entry *table;
static size_t room, used;

static void *must(void *p) {
	if (!p) {
		fputs("wordfreq: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

// slot finds the place of word in an open-addressing table (FNV-1a).
static struct entry *slot(const char *word) {
	unsigned long long h = 14695981039346656037ULL;
	for (const char *p = word; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211ULL;
	size_t i = h & (room - 1);
	while (table[i].word && strcmp(table[i].word, word) != 0)
		i = (i + 1) & (room - 1);
	return &table[i];
}

static void grow(void) {
	struct entry *old = table;
	size_t n = room;
	room = room ? room * 2 : 1024;
	table = must(calloc(room, sizeof *table));
	for (size_t i = 0; i < n; i++)
		if (old[i].word)
			*slot(old[i].word) = old[i];
	free(old);
}

static void add(const char *word) {
	if (used * 2 >= room)
		grow();
	struct entry *e = slot(word);
	if (!e->word) {
		e->word = must(strdup(word));
		used++;
	}
	e->count++;
}

static int order(const void *a, const void *b) {
	const struct entry *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return strcmp(x->word, y->word);
}

int main(int argc, char **argv) {
	long most = argc > 1 ? strtol(argv[1], NULL, 10) : 10;
	if (argc > 2 || most <= 0) {
		fputs("usage: wordfreq [N] < TEXT\n", stderr);
		return 2;
	}

	char word[256];
	size_t len = 0;
	for (int c; (c = getchar()) != EOF;) {
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if ((c >= 'a' && c <= 'z') || c > 127) {
			if (len < sizeof word - 1) // a longer word is cut
				word[len++] = c;
			continue;
		}
		if (len) {
			word[len] = '\0';
			add(word);
		}
		len = 0;
	}
	if (len) {
		word[len] = '\0';
		add(word);
	}

	size_t n = 0;
	for (size_t i = 0; i < room; i++)
		if (table[i].word)
			table[n++] = table[i];
	if (n)
		qsort(table, n, sizeof *table, order);
	for (size_t i = 0; i < n && i < (size_t)most; i++)
		printf("%7zu %s\n", table[i].count, table[i].word);
	return 0;
}
