/* What is visible outside the shared library. */
#ifndef PRONG_EXPORT_H
#define PRONG_EXPORT_H

#define PRONG_API __attribute__((visibility("default")))

/* The same; and the compiler warns where the status is dropped, as a failure
 * would be that the program has to know of. */
#define PRONG_CHECKED PRONG_API __attribute__((warn_unused_result))

#endif
