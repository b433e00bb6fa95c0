/* Which symbols the shared library exports, and C linkage for C++. */
#ifndef PRONG_EXPORT_H
#define PRONG_EXPORT_H

#define PRONG_API __attribute__((visibility("default")))

/* The same, and the compiler warns if the result is ignored: for calls whose
 * failure the program must handle. */
#define PRONG_CHECKED PRONG_API __attribute__((warn_unused_result))

/* The declarations of a header stand between these two. */
#ifdef __cplusplus
#define PRONG_BEGIN_DECLS extern "C" {
#define PRONG_END_DECLS }
#else
#define PRONG_BEGIN_DECLS
#define PRONG_END_DECLS
#endif

#endif
