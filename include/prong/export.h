/* What is visible outside the shared library. */
#ifndef PRONG_EXPORT_H
#define PRONG_EXPORT_H

#define PRONG_API __attribute__((visibility("default")))

#endif
