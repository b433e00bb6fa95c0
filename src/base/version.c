/* The version that the loaded library reports. */
#include <prong/version.h>

const char *prong_version(void) {
    return PRONG_VERSION;
}
