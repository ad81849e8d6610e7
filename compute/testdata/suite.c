// A guest of the compute tests: the C cases of the wasi-testsuite, written anew
// through wasi-libc. The argument is the case's name; it says ok, or where it
// is wrong. Built as CONTRIBUTING.md says for the example programs.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK(x) \
	do { \
		if (!(x)) { \
			printf("line %d: not %s (errno %d)\n", __LINE__, #x, errno); \
			exit(1); \
		} \
	} while (0)

static void getres(clockid_t clock) {
	struct timespec t;
	CHECK(clock_getres(clock, &t) == 0 && t.tv_sec == 0 && t.tv_nsec == 1);
}

static void gettime(clockid_t clock, time_t least, time_t most) {
	struct timespec a, b;
	CHECK(clock_gettime(clock, &a) == 0 && clock_gettime(clock, &b) == 0);
	CHECK(a.tv_sec >= least && a.tv_sec <= most);
	CHECK(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec > a.tv_nsec));
}

static void folder(void) {
	int fd = open("dir", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	CHECK(fd >= 0 && d);
	int seen = 0;
	ino_t inodes[2];
	for (struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		struct stat s;
		CHECK(fstatat(fd, e->d_name, &s, AT_SYMLINK_NOFOLLOW) == 0 && s.st_ino == e->d_ino);
		CHECK(seen < 2 && strcmp(e->d_name, seen ? "file-1" : "file-0") == 0);
		inodes[seen++] = e->d_ino;
	}
	CHECK(seen == 2 && inodes[0] != inodes[1] && closedir(d) == 0);
}

static void access_file(void) {
	FILE *f = fopen("file", "r");
	CHECK(f && fclose(f) == 0);
}

static void no_access(void) {
	CHECK(!fopen("elsewhere/file", "r") && errno == ENOENT);
	CHECK(!fopen("../file", "r") && errno != 0);
	CHECK(!fopen("dir/../../file", "r") && errno != 0);
}

static void seek(void) {
	char buf[4];
	FILE *f = fopen("digits", "r");
	CHECK(f);
	int fd = fileno(f);
	CHECK(fread(buf, 1, 4, f) == 4 && fflush(f) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == 4);
	CHECK(fread(buf, 1, 1, f) == 1 && fflush(f) == 0);
	CHECK(lseek(fd, 0, SEEK_CUR) == 5 && buf[0] == '4');
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && lseek(fd, 0, SEEK_END) == 8);
}

static void read_at(void) {
	char buf[9] = {0};
	int fd = open("digits", O_RDONLY);
	CHECK(fd >= 0 && pread(fd, buf, 8, 0) == 8 && strcmp(buf, "01234567") == 0);
	CHECK(pread(fd, buf, 8, 6) == 2 && memcmp(buf, "67", 2) == 0);
	CHECK(pread(fd, buf, 8, 8) == 0 && lseek(fd, 0, SEEK_CUR) == 0);
	CHECK(pread(fd, buf, 1, -1) <= 0);
}

static void write_at(void) {
	char buf[16];
	CHECK(access("out/f", F_OK) != 0 && errno == ENOENT);
	int fd = open("out/f", O_WRONLY | O_CREAT);
	CHECK(fd >= 0 && pwrite(fd, "very long text", 14, 0) == 14 && pwrite(fd, "test", 4, 3) == 4 && close(fd) == 0);
	fd = open("out/f", O_RDONLY);
	CHECK(read(fd, buf, sizeof buf) == 14 && memcmp(buf, "vertestng text", 14) == 0);
	CHECK(close(fd) == 0 && remove("out/f") == 0 && access("out/f", F_OK) != 0);
}

static void append(void) {
	int fd = open("out/f", O_CREAT | O_TRUNC | O_WRONLY | O_APPEND);
	CHECK(fd >= 0 && write(fd, "ab", 2) == 2 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(write(fd, "cd", 2) == 2 && lseek(fd, 0, SEEK_CUR) == 4);
	CHECK(pwrite(fd, "xyz", 3, 0) == 3 && lseek(fd, 0, SEEK_CUR) == 4 && lseek(fd, 0, SEEK_END) == 4);
}

static void shut(int fd, int want) { CHECK(shutdown(fd, SHUT_RD) == -1 && errno == want); }

static void inodes(void) {
	struct stat a, b;
	CHECK(stat("file", &a) == 0 && stat("digits", &b) == 0);
	CHECK(a.st_dev == b.st_dev && a.st_ino != b.st_ino && a.st_nlink == 1 && b.st_size == 8);
}

int main(int argc, char **argv) {
	const char *name = argc > 1 ? argv[1] : "";
#define CASE(n, run) \
	if (strcmp(name, n) == 0) { \
		run; \
		puts("ok"); \
		return 0; \
	}
	CASE("clock_getres-monotonic", getres(CLOCK_MONOTONIC))
	CASE("clock_getres-realtime", getres(CLOCK_REALTIME))
	CASE("clock_gettime-monotonic", gettime(CLOCK_MONOTONIC, 0, 0))
	CASE("clock_gettime-realtime", gettime(CLOCK_REALTIME, 1700000000, 1700000000))
	CASE("fdopendir-with-access", folder())
	CASE("fopen-with-access", access_file())
	CASE("fopen-with-no-access", no_access())
	CASE("lseek", seek())
	CASE("pread-with-access", read_at())
	CASE("pwrite-with-access", write_at())
	CASE("pwrite-with-append", append())
	CASE("sock_shutdown-invalid_fd", shut(1000, EBADF))
	CASE("sock_shutdown-not_sock", shut(STDOUT_FILENO, ENOTSOCK))
	CASE("stat-dev-ino", inodes())
	printf("no case %s\n", name);
	return 2;
}
