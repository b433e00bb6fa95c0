/* The library that is loaded tells its version. */
#include "../support/test.h"

TEST(the_library_is_of_the_version_of_its_headers) {
    char numbers[40];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", PRONG_VERSION_MAJOR, PRONG_VERSION_MINOR, PRONG_VERSION_PATCH);
    check(strcmp(numbers, PRONG_VERSION) == 0);
    check(strcmp(prong_version(), PRONG_VERSION) == 0);
}
