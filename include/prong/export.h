/* What is visible outside the shared library, and the linkage of C for C++. */
#ifndef PRONG_EXPORT_H
#define PRONG_EXPORT_H

#define PRONG_API __attribute__((visibility("default")))

/* The same; and the compiler warns where the status is dropped, as a failure
 * would be that the program has to know of. */
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
