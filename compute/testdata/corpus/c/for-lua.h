// What Lua wants of a system that WASI has not. An error of a script ends it.
#include <stdio.h>
#include <stdlib.h>
#define LUAI_THROW(L, c) abort()
#define LUAI_TRY(L, c, a) a
#define luai_jmpbuf int
#define lua_tmpnam(b, e) ((e) = 1)
#define LUA_TMPNAMBUFSIZE 1
#define system(command) (-1)
#define tmpfile() NULL
