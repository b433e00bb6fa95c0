/* What the fuzz targets share: reading decisions off the input, and ending with a finding. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What holds for every input; the fuzzer keeps an input for which it does not. */
#define must(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition);                                    \
            fprintf(stderr, __VA_ARGS__);                                                                              \
            fputc('\n', stderr);                                                                                       \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct input {
    const uint8_t *at;
    size_t left;
};

/* 0 when there are no more. */
static inline unsigned input_byte(struct input *input) {
    if (!input->left) return 0;
    input->left--;
    return *input->at++;
}

/* Up to `wanted` bytes, in place. */
static inline const uint8_t *input_bytes(struct input *input, size_t wanted, size_t *size) {
    const uint8_t *bytes = input->at;
    *size = wanted < input->left ? wanted : input->left;
    input->at += *size;
    input->left -= *size;
    return bytes;
}

/* The number in so many bytes, the most significant first. */
static inline uint64_t input_number(struct input *input, int bytes) {
    uint64_t number = 0;
    while (bytes--) number = number << 8 | input_byte(input);
    return number;
}

#endif
