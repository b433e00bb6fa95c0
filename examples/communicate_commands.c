/* Communicating with a program that reads commands: a shell gets three on its stdin, and answers on stdout and stderr. */
#include "example.h"

int main(int argc, char **argv) {
    static const char commands[] = "echo one\necho two >&2\nexit 5\n";
    const char *const shell[] = {"/bin/sh", NULL};
    prong_popen *popen;
    prong_output output, errors;
    int code;
    example_begin(argc, argv);
    must(prong_popen_open(&popen, shell,
                          &(prong_popen_options){.in = PRONG_PIPE, .out = PRONG_PIPE, .err = PRONG_PIPE}));
    must(prong_popen_communicate(popen, commands, sizeof commands - 1, &output, &errors, PRONG_SECONDS(10)));
    must(prong_popen_wait(popen, &code, PRONG_NOWAIT));
    printf("stdout: %sstderr: %sexit code %d\n", output.data, errors.data, code);
    prong_output_clear(&output);
    prong_output_clear(&errors);
    must(prong_popen_close(popen));
}
