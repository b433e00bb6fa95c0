/* Messages, from inside. */
#include "../support/test.h"

#include "base/error.h"

static void clean_up(bool fixed) {
    KEEP_MESSAGE;
    if (fixed)
        fail_text(PRONG_SYSTEM, "cleaning up failed");
    else
        fail(PRONG_SYSTEM, "cleaning up failed with %d", 2);
}

TEST(a_message_is_what_it_was_after_cleaning_up) {
    fail(PRONG_INVALID, "the first failure, %d", 1);
    clean_up(false);
    check(strcmp(prong_error_message(), "the first failure, 1") == 0);
    clean_up(true);
    check(strcmp(prong_error_message(), "the first failure, 1") == 0);
    fail_text(PRONG_INVALID, "a fixed text");
    clean_up(false);
    check(strcmp(prong_error_message(), "a fixed text") == 0);
}
