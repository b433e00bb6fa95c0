/* Fuzzes the reading of a journal. Whatever the file holds, opening it ends; no record is read that was not written, and
 * the file can be appended to, and read again.
 *
 * The input: a byte of choices, three bytes each for up to 8 changes of a good journal (place, place, what goes there),
 * and the bytes that follow it. */
#include "fuzz.h"
#include "pool/journal.h"
#include <prong/prong.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 3, FILE_MAX = 4096 };
static const char identity[] = "a function";
static const char result[] = "the result of an item";

static void check_entries(struct run_journal *journal, uint64_t most) {
    uint64_t from = 0;
    for (const struct journal_entry *entry; (entry = journal_from(journal, from)); from = entry->first + entry->count) {
        prong_bytes read;
        must(entry->first >= from && entry->first < most && entry->count == 1 && entry->input == entry->first,
             "item %llu", (unsigned long long)entry->first);
        must(journal_read(journal, entry, &read) == PRONG_OK, "%s", prong_error_message());
        must(read.size == sizeof result && !memcmp(read.data, result, read.size), "%zu bytes", read.size);
    }
}

static void append(struct run_journal *journal, uint64_t item) {
    const struct journal_entry entry = {.first = item, .count = 1, .input = item, .size = sizeof result};
    must(journal_append(journal, &entry, result) == PRONG_OK, "%s", prong_error_message());
}

static size_t make_good(const char *path, unsigned char *bytes) {
    struct run_journal *journal;
    must(journal_open(&journal, path, identity) == PRONG_OK, "%s", prong_error_message());
    for (uint64_t i = 0; i < RECORDS; i++) append(journal, i);
    journal_close(journal);
    FILE *file = fopen(path, "rb");
    size_t size = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    return size;
}

static size_t change(struct input *input, unsigned char *bytes, size_t size) {
    size_t more;
    unsigned changes = input_byte(input) % 8;
    while (changes--) {
        size_t at = input_number(input, 2) % size;
        bytes[at] = (unsigned char)input_byte(input);
    }
    if (input_byte(input) % 2) size = input_number(input, 2) % (size + 1);
    const uint8_t *end = input_bytes(input, FILE_MAX - size, &more);
    if (more) memcpy(bytes + size, end, more);
    return size + more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[64];
    static unsigned char bytes[FILE_MAX];
    struct input input = {data, size};
    struct run_journal *journal;
    if (!path[0]) snprintf(path, sizeof path, "/tmp/prong-journal-fuzz-%d", (int)getpid());
    unlink(path);
    size_t length = change(&input, bytes, make_good(path, bytes));
    FILE *file = fopen(path, "wb");
    must(file && fwrite(bytes, 1, length, file) == length && !fclose(file), "%s is not written", path);
    if (journal_open(&journal, path, identity) == PRONG_OK) {
        check_entries(journal, RECORDS);
        append(journal, RECORDS);
        journal_close(journal);
        must(journal_open(&journal, path, identity) == PRONG_OK, "%s", prong_error_message());
        check_entries(journal, RECORDS + 1);
        must(journal_from(journal, RECORDS), "what was appended is not there");
        journal_close(journal);
    }
    unlink(path);
    return 0;
}
