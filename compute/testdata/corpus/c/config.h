// What the configure scripts of cmark and PicoSAT would write.
#include <stdbool.h>
#define CMARK_ATTRIBUTE(list) __attribute__(list)
#define CMARK_INLINE inline
#define PICOSAT_CC "clang"
#define PICOSAT_CFLAGS ""
#define PICOSAT_VERSION "965"
