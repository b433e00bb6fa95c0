#include "refuse.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>

/* From <linux/filter.h> and <linux/seccomp.h>, which a libc other than the system's does not find. */
struct sock_filter {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};
struct sock_fprog {
    unsigned short length;
    struct sock_filter *filter;
};
struct seccomp_data {
    int nr;
    uint32_t arch;
    uint64_t instruction_pointer, args[6];
};
enum { LOAD_WORD = 0x20, JUMP_EQUAL = 0x15, JUMP_AT_LEAST = 0x35, RETURN = 0x06 };
enum { MODE_FILTER = 2 };
static const uint32_t ANSWER_ERRNO = 0x00050000, ANSWER_ALLOW = 0x7fff0000;

bool refuse_call(int number, int argument, unsigned value, int error) {
    uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * (size_t)(argument < 0 ? 0 : argument));
    struct sock_filter filter[] = {
        {LOAD_WORD, 0, 0, offsetof(struct seccomp_data, nr)},
        {JUMP_EQUAL, 0, 3, (uint32_t)number},
        {LOAD_WORD, 0, 0, at},
        {argument < 0 ? JUMP_AT_LEAST : JUMP_EQUAL, 0, 1, argument < 0 ? 0 : value},
        {RETURN, 0, 0, ANSWER_ERRNO | (uint32_t)error},
        {RETURN, 0, 0, ANSWER_ALLOW},
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, MODE_FILTER, &program) == 0;
}
