/* Tests that leave a daemon behind, which holds their output open: see runner. */
#include "support/test.h"

#include <unistd.h>

static void leave_daemon(void) {
    if (fork() == 0) {
        setsid();
        if (fork() == 0) pause();
        _exit(0);
    }
}

TEST(ends_before_its_daemon) {
    leave_daemon();
    test_sleep_ms(50);
}

LONG_TEST(hangs_beside_its_daemon, 2) {
    leave_daemon();
    pause();
}
