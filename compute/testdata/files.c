// A guest of the compute tests: files, folders and clocks through wasi-libc.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void say(const char *what, long got) { printf("%s %ld\n", what, got); }
static void err(const char *what, long got) { printf("%s %ld %s\n", what, got, got < 0 ? strerror(errno) : "ok"); }

static void list(const char *path) {
	DIR *d = opendir(path);
	printf("list %s:", path);
	for (struct dirent *e; d && (e = readdir(d));)
		printf(" %s", e->d_name);
	printf("\n");
	if (d) closedir(d);
}

static char *slurp(const char *path) {
	static char buf[100];
	memset(buf, 0, sizeof buf);
	FILE *f = fopen(path, "r");
	if (!f) return strerror(errno);
	buf[fread(buf, 1, 99, f)] = 0;
	fclose(f);
	return buf;
}

int main(int argc, char **argv) {
	printf("argc %d %s %s\n", argc, argv[0], getenv("HOME") ? getenv("HOME") : "-");
	printf("relative %s\n", slurp("in.txt"));
	printf("absolute %s\n", slurp("/in.txt"));
	printf("nested %s\n", slurp("a/b/c.txt"));
	printf("missing %s\n", slurp("none"));
	printf("out of the tree %s\n", slurp("../../etc/passwd"));
	list(".");
	list("a");
	err("write an input", open("in.txt", O_WRONLY));
	err("make beside out", open("new.txt", O_WRONLY | O_CREAT, 0600));
	FILE *f = fopen("out/x.txt", "w");
	fprintf(f, "hello %d\n", 42);
	fclose(f);
	f = fopen("/out/x.txt", "a");
	fprintf(f, "more\n");
	fclose(f);
	printf("x %s", slurp("out/x.txt"));
	err("mkdir", mkdir("out/d", 0700));
	err("mkdir again", mkdir("out/d", 0700));
	err("rename", rename("out/x.txt", "out/d/y.txt"));
	err("rmdir full", rmdir("out/d"));
	err("unlink folder", unlink("out/d"));
	int fd = open("out/gap", O_RDWR | O_CREAT | O_TRUNC, 0600);
	err("seek", lseek(fd, 70000, SEEK_SET));
	err("write", write(fd, "end", 3));
	err("tell", lseek(fd, 0, SEEK_CUR));
	char c[4] = {1, 1, 1, 1};
	err("pread", pread(fd, c, 4, 69998));
	printf("gap %d %d %c%c\n", c[0], c[1], c[2], c[3]);
	err("truncate", ftruncate(fd, 5));
	struct stat st;
	fstat(fd, &st);
	say("size", st.st_size);
	say("mtime", st.st_mtime);
	close(fd);
	list("out");
	list("out/d");
	struct timespec t = {5, 0};
	time_t before = time(0);
	nanosleep(&t, 0);
	say("slept", time(0) - before);
	say("tty", isatty(1));
	err("link", link("in.txt", "out/l"));
	err("symlink", symlink("in.txt", "out/s"));
	char line[50];
	while (fgets(line, sizeof line, stdin))
		fprintf(stderr, "line: %s", line);
	return 3;
}
