/* The framing of messages on a stream. */
#include "net/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

size_t frame_write(unsigned char header[FRAME_LONG], size_t size) {
    bool large = size > INT32_MAX;
    uint64_t word = size;
    size_t length = large ? FRAME_LONG : FRAME_SHORT;
    memset(header, 0xff, FRAME_SHORT);
    for (size_t i = 0; i < (large ? 8 : 4); i++) header[length - 1 - i] = (unsigned char)(word >> (8 * i));
    return length;
}

prong_status frame_read(const void *begun, size_t have, size_t *header, size_t *size) {
    const unsigned char *at = begun;
    if (have < FRAME_SHORT) return PRONG_TIMEOUT;
    uint32_t word = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    *header = FRAME_SHORT;
    *size = word;
    if (word != UINT32_MAX) return word >> 31 ? PRONG_INVALID : PRONG_OK;
    if (have < FRAME_LONG) return PRONG_TIMEOUT;
    uint64_t large = 0;
    for (int i = FRAME_SHORT; i < FRAME_LONG; i++) large = large << 8 | at[i];
    *header = FRAME_LONG;
    *size = (size_t)large;
    return large >> 63 ? PRONG_INVALID : PRONG_OK;
}
