// What cmark's build would write.
#define CMARK_EXPORT
#define CMARK_NO_EXPORT
