/* Counts the words in pieces of files.
 *
 * A piece is a range of a file. The words that begin in it are counted, and the last of them is read to its end even where
 * that lies in the next piece: so a word on a border is counted once, however long it is. */
#ifndef COUNT_H
#define COUNT_H

#include "words.h"

#include <stdbool.h>
#include <sys/stat.h>

/* size and changed are the file's when the tree was read. What a file has grown since is not read: each count of the same
 * tree reads the same bytes. */
struct piece {
    uint64_t start, end, size;
    int64_t changed;  /* time of the file's last change, see change_time */
    size_t path_size; /* with the zero at its end, and as many as make it a multiple of 8: the next piece is aligned */
    char path[];
};

/* What was found in a number of pieces, besides the words themselves. */
struct sums {
    uint64_t files, binary,
        unread; /* files: of text, binary, that could not be read; each counted in its first piece */
    uint64_t bytes, words, checksum; /* checksum: of all words, in whatever order */
    uint64_t unsteady; /* pieces that could not be read in whole, or whose file had changed; the last member */
};

void sums_add(struct sums *sums, const struct sums *others);
/* Counts in pieces that follow one another in memory, size bytes of it. */
void count_pieces(struct words *words, struct sums *sums, const void *pieces, size_t size);
/* Whether there is a zero among the first bytes. false for a file that cannot be read. */
bool is_binary_file(const char *path);
/* Nanoseconds since 1970. */
int64_t change_time(const struct stat *about);

#endif
