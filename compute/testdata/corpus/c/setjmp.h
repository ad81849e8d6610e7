// wasi-libc has none. Lua includes it and, by for-lua.h, does not use it.
