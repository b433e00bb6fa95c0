/* The version of the library, as the headers have it and as it is loaded.
 *
 * docs/stability.md tells what a change of each number means. */
#ifndef PRONG_VERSION_H
#define PRONG_VERSION_H

#include <prong/export.h>

/* The version of these headers, with which the program is compiled. */
#define PRONG_VERSION_MAJOR 0
#define PRONG_VERSION_MINOR 2
#define PRONG_VERSION_PATCH 0
#define PRONG_VERSION "0.2.0"

PRONG_BEGIN_DECLS

/* The version of the library that is loaded, as "0.2.0": later than
 * PRONG_VERSION where the program was compiled with older headers. Never NULL;
 * constant. Thread-, fork- and signal-safe. */
PRONG_API const char *prong_version(void);

PRONG_END_DECLS

#endif
