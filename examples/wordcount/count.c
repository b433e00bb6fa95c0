#define _GNU_SOURCE
#include "count.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16, SNIFF = 4096 };

void sums_add(struct sums *sums, const struct sums *others) {
    sums->files += others->files;
    sums->binary += others->binary;
    sums->unread += others->unread;
    sums->bytes += others->bytes;
    sums->words += others->words;
    sums->checksum += others->checksum;
    sums->unsteady += others->unsteady;
}

/* --- files, any of which may change, vanish or become something else at any time --- */

int64_t change_time(const struct stat *about) {
    return (int64_t)about->st_ctim.tv_sec * 1000000000 + about->st_ctim.tv_nsec;
}

/* Does not wait where there is a FIFO now. Returns -1 for what is no regular file, or cannot be opened. */
static int open_file(const char *path) {
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && (fstat(fd, &about) || !S_ISREG(about.st_mode))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Fewer bytes than asked for only at the file's end. */
static ssize_t read_at(int fd, void *bytes, size_t size, uint64_t offset) {
    ssize_t got;
    while ((got = pread(fd, bytes, size, (off_t)offset)) < 0 && errno == EINTR) continue;
    return got;
}

static bool is_binary(int fd) {
    char bytes[SNIFF];
    ssize_t got = read_at(fd, bytes, SNIFF, 0);
    return got > 0 && memchr(bytes, 0, (size_t)got);
}

bool is_binary_file(const char *path) {
    int fd = open_file(path);
    if (fd < 0) return false;
    bool binary = is_binary(fd);
    close(fd);
    return binary;
}

static bool is_unchanged(int fd, const struct piece *piece) {
    struct stat about;
    return fstat(fd, &about) == 0 && (uint64_t)about.st_size == piece->size && change_time(&about) == piece->changed;
}

/* --- words --- */

/* The word that is being read. It may go over any number of blocks; length 0: none. */
struct reading {
    struct words *words;
    struct sums *sums;
    const struct piece *piece;
    struct word word;
    uint64_t begin, length;
};

static char small_letter(unsigned char byte) { /* 0: no letter */
    unsigned char small = byte | 0x20;
    return small >= 'a' && small <= 'z' ? (char)small : 0;
}

static void begin_word(struct reading *reading, uint64_t begin) {
    reading->word = (struct word){.hash = 14695981039346656037ull, .count = 1}; /* FNV-1a */
    reading->begin = begin;
}

static void add_letter(struct reading *reading, char letter) {
    if (reading->length < WORD_SIZE - 1) reading->word.text[reading->length] = letter;
    reading->word.hash = (reading->word.hash ^ (unsigned char)letter) * 1099511628211ull;
    reading->length++;
}

static void end_word(struct reading *reading) {
    if (reading->length && reading->begin >= reading->piece->start) {
        words_add(reading->words, &reading->word);
        reading->sums->words++;
        reading->sums->checksum += reading->word.hash;
    }
    reading->length = 0;
}

static void read_block(struct reading *reading, const unsigned char *block, size_t size, uint64_t at) {
    char letter;
    for (size_t i = 0; i < size; i++) {
        if (!reading->length) {
            while (i < size && !small_letter(block[i])) i++;
            if (at + i >= reading->piece->end) return;
            begin_word(reading, at + i);
        }
        for (; i < size && (letter = small_letter(block[i])); i++) add_letter(reading, letter);
        if (i < size) end_word(reading);
    }
}

/* Begins one byte early: a word that this byte belongs to does not begin in the piece. Returns whether reading succeeded. */
static bool count_text(struct words *words, struct sums *sums, int fd, const struct piece *piece) {
    unsigned char block[BLOCK];
    struct reading reading = {.words = words, .sums = sums, .piece = piece};
    uint64_t at = piece->start ? piece->start - 1 : 0;
    ssize_t got = 0;
    while (at < piece->size && (at < piece->end || reading.length)) {
        got = read_at(fd, block, piece->size - at < BLOCK ? piece->size - at : BLOCK, at);
        if (got <= 0) break;
        read_block(&reading, block, (size_t)got, at);
        at += (uint64_t)got;
    }
    end_word(&reading);
    if (at > piece->start) sums->bytes += (at < piece->end ? at : piece->end) - piece->start;
    if (at < piece->end) sums->unsteady++;
    return got >= 0;
}

static void count_piece(struct words *words, struct sums *sums, const struct piece *piece) {
    bool first = piece->start == 0;
    int fd = open_file(piece->path);
    if (fd < 0) {
        sums->unread += first;
        sums->unsteady++;
        return;
    }
    if (is_binary(fd))
        sums->binary += first;
    else if (count_text(words, sums, fd, piece))
        sums->files += first;
    else
        sums->unread += first;
    if (!is_unchanged(fd, piece)) sums->unsteady++;
    close(fd);
}

void count_pieces(struct words *words, struct sums *sums, const void *pieces, size_t size) {
    const char *end = (const char *)pieces + size;
    for (const char *at = pieces; at < end;) {
        const struct piece *piece = (const void *)at;
        if (piece->size)
            count_piece(words, sums, piece);
        else
            sums->files++; /* an empty file is text, and need not be opened */
        at += sizeof *piece + piece->path_size;
    }
}
