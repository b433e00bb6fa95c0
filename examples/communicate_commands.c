/* Communicating with a program that reads commands: a shell gets three on its stdin, and answers on stdout and stderr. */
#include "example.h"

int main(int argc, char **argv) {
    static const char commands[] = "echo one\necho two >&2\nexit 5\n";
    const char *const shell[] = {"/bin/sh", NULL};
    prong_popen *popen;
    prong_completed done;
    example_begin(argc, argv);
    must(prong_popen_open(&popen, shell,
                          &(prong_popen_options){.in = PRONG_PIPE, .out = PRONG_PIPE, .err = PRONG_PIPE}));
    must(prong_popen_communicate(popen, commands, sizeof commands - 1, &done, PRONG_SECONDS(10)));
    printf("stdout: %sstderr: %sexit code %d\n", done.out.data, done.err.data, done.returncode);
    prong_completed_clear(&done);
    must(prong_popen_close(popen));
}
