/* How much memory the control groups still allow. */
#include "family/room.h"

#include "base/error.h"
#include "os/os.h"

/* Left free for the program, and for what the kernel needs for the arena's pages. */
static uint64_t room_kept_back(uint64_t limit) {
    const uint64_t least = 1 << 20, most = 64 << 20;
    uint64_t part = least + limit / 64;
    return part < most ? part : most;
}

prong_status room_for(uint64_t size, uint64_t *left) {
    struct os_memory_room room;
    os_memory_room(&room);
    *left = room.left;
    if (room.left == UINT64_MAX) return PRONG_OK;
    uint64_t kept = room_kept_back(room.limit);
    *left = room.left > kept ? room.left - kept : 0;
    if (size <= *left) return PRONG_OK;
    return fail(PRONG_NO_MEMORY, "the memory limit of %llu MiB in %s leaves %llu KiB, of which %llu KiB are kept back",
                (unsigned long long)(room.limit >> 20), room.file, (unsigned long long)(room.left >> 10),
                (unsigned long long)(kept >> 10));
}
