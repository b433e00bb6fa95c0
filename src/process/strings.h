/* Lists of strings, kept in the arena: the arguments of another program that is started, an environment of its own. */
#ifndef PROCESS_STRINGS_H
#define PROCESS_STRINGS_H

#include <prong/status.h>
#include <stdint.h>

/* In a new block, as they are, up to a NULL. */
prong_status strings_keep(const char *const *strings, uint64_t *block);
prong_status program_keep(char *const *arguments, uint64_t *block);
prong_status environment_keep(const char *const *entries, uint64_t *block);
/* What is in a block, where it stays; the list is the caller's to free. NULL without memory, or without a block. */
char **strings_list(uint64_t block);
const char *program_name(uint64_t block);

#endif
