/* A new image, for prong_main to take up its work in.
 *
 * The image learns what it is from one environment variable, PRONG_CHILD=kind:arena:token:process:descriptor:secret, which
 * prong_main removes. The descriptor is the life pipe of a daemonic child, or the control socket of a fork server. The
 * secret is the arena's: an entry that some process on the way has left behind, with the number of a descriptor that is another's
 * by now, is not believed. The caller of a program chooses all of this; so a program that has more rights than its caller believes
 * none of it. */
#ifndef PROCESS_IMAGE_H
#define PROCESS_IMAGE_H

#include <prong/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define IMAGE_VARIABLE "PRONG_CHILD"
enum { IMAGE_ENTRY_SIZE = 160 };

struct image {
    const char *kind;         /* "process", "server", or "other": a process whose image is another program */
    char *const *program;     /* NULL: this program's image, or what the runtime starts in its place */
    char *const *environment; /* NULL: this process's */
    uint32_t token;
    uint64_t process;
    int descriptor; /* a further one that it has, or -1 */
};
prong_status image_start(const struct image *image, pid_t *pid, int *pidfd);

/* --- main.c --- */
/* prong_main has been called; with what, or NULL. */
bool main_was_called(void);
char **main_arguments(void);

#endif
