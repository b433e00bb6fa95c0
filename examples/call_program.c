/* Calling other programs: the exit code, the output, and a program that is not there. */
#include "example.h"

static int call(const char *const argv[]) {
    prong_completed done;
    must(prong_subprocess_run(argv, &done, NULL, PRONG_FOREVER));
    return done.returncode;
}

int main(int argc, char **argv) {
    prong_completed done;
    const char *const leave[] = {"/bin/sh", "-c", "exit 3", NULL};
    const char *const kill_itself[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
    const char *const say[] = {"echo", "hello", NULL};
    const char *const missing[] = {"no-such-program", NULL};
    example_begin(argc, argv);
    printf("exit code %d\n", call(leave));
    printf("exit code %d: a signal\n", call(kill_itself));
    must(prong_subprocess_run(say, &done, &(prong_subprocess_options){.capture = true, .check = true}, PRONG_FOREVER));
    printf("it says: %s", done.out.data);
    prong_completed_clear(&done);
    prong_status status = prong_subprocess_run(missing, NULL, NULL, PRONG_FOREVER);
    printf("%s: %s\n", prong_status_name(status), prong_error_message());
}
