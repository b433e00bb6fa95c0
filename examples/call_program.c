/* Calling other programs: the exit code, the output, and a program that is not there. */
#include "example.h"

int main(int argc, char **argv) {
    int code;
    prong_output output;
    const char *const leave[] = {"/bin/sh", "-c", "exit 3", NULL};
    const char *const kill_itself[] = {"/bin/sh", "-c", "kill -9 $$", NULL};
    const char *const say[] = {"echo", "hello", NULL};
    const char *const missing[] = {"no-such-program", NULL};
    example_begin(argc, argv);
    must(prong_subprocess_call(leave, NULL, &code));
    printf("exit code %d\n", code);
    must(prong_subprocess_call(kill_itself, NULL, &code));
    printf("exit code %d: a signal\n", code);
    must(prong_subprocess_check_output(say, NULL, &output));
    printf("it says: %s", output.data);
    prong_output_clear(&output);
    prong_status status = prong_subprocess_call(missing, NULL, &code);
    printf("%s: %s\n", prong_status_name(status), prong_error_message());
}
