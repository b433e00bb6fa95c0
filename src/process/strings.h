/* What an image is started with, kept in the arena: the arguments of another program, an environment of its own. */
#ifndef PROCESS_STRINGS_H
#define PROCESS_STRINGS_H

#include <prong/status.h>
#include <stdint.h>

prong_status program_keep(char *const *arguments, uint64_t *block);
prong_status environment_keep(const char *const *entries, uint64_t *block);
/* What is in a block, where it stays; the list is the caller's to free. NULL without memory, or without a block. */
char **strings_list(uint64_t block);
const char *program_name(uint64_t block);

#endif
