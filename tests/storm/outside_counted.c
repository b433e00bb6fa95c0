/* Messages that are counted, of a storm from outside: see outside.h. */
#include "outside.h"

static uint32_t message_check(const struct storm_message *message, size_t size) {
    const unsigned char *bytes = (const unsigned char *)(message + 1);
    uint32_t sum = message->number * 2654435761u + (uint32_t)size;
    for (size_t i = 0; i < size - sizeof *message; i++) sum = sum * 31 + bytes[i];
    return sum;
}

bool storm_message(void *memory, size_t size) {
    struct storm_message *message = memory;
    message->number = atomic_fetch_add(&storm->next_message, 1);
    if (message->number >= STORM_MESSAGES) return false;
    memset(message + 1, (int)(message->number % 251), size - sizeof *message);
    if (size > sizeof *message) *(unsigned char *)(message + 1) = (unsigned char)(message->number >> 8);
    message->check = message_check(message, size);
    storm->messages[message->number] |= STORM_INTENT;
    return true;
}

void storm_message_put(const void *memory, prong_status status) {
    storm->messages[((const struct storm_message *)memory)->number] |= status ? STORM_REFUSED : STORM_PUT;
}

void storm_message_taken(const void *memory, size_t size) {
    const struct storm_message *message = memory;
    storm_check(size >= sizeof *message && message->number < STORM_MESSAGES);
    storm_check(message->check == message_check(message, size));
    unsigned before = atomic_fetch_add(&storm->messages[message->number], STORM_TAKEN);
    if (!(before & STORM_INTENT) || (before & STORM_REFUSED) || before >= STORM_TAKEN)
        storm_wrong(__FILE__, __LINE__, "message %u is taken as %u", message->number, before);
}

long storm_check_messages(void) {
    long lost = 0, put = 0, lost_at_most = 0;
    for (uint32_t i = 0; i < storm->next_slot; i++) lost_at_most += storm->slots[i].asking != 0;
    for (uint32_t i = 0; i < storm->next_message && i < STORM_MESSAGES; i++) {
        unsigned is = storm->messages[i];
        put += (is & STORM_PUT) != 0;
        lost += (is & STORM_PUT) && !(is / STORM_TAKEN);
        if ((is & STORM_REFUSED) && is / STORM_TAKEN)
            storm_wrong(__FILE__, __LINE__, "message %u was refused, and taken", i);
    }
    printf("     %ld messages, %ld lost with a process that took one; %ld may have\n", put, lost, lost_at_most);
    fflush(stdout);
    if (lost > lost_at_most) storm_wrong(__FILE__, __LINE__, "%ld messages are lost", lost);
    return put;
}
