// Calls that some programs name and WASI has not: they fail.
#include <stdio.h>
FILE *popen(const char *command, const char *mode) { return NULL; }
int pclose(FILE *f) { return -1; }
unsigned alarm(unsigned seconds) { return 0; }
