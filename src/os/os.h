/* All that is system-specific, behind plain functions. Each returns 0 (or a descriptor, or a count) on
 * success and -1 with errno set on failure unless it says otherwise; none touches prong's own structures. */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/deadline.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* --- futex: waits while *word == expected; may return early for any reason, so the caller looks again. --- */
void os_futex_wait(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline);
/* Wakes up to count waiters; returns how many woke. */
int os_futex_wake(_Atomic uint32_t *word, int count);
/* The same for those waiters alone that share a bit of the mask. */
void os_futex_wait_masked(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, deadline_t deadline);
int os_futex_wake_masked(_Atomic uint32_t *word, int count, uint32_t mask);

/* --- memory --- */
/* An anonymous, sparse, close-on-exec shared memory object of the given size, at a descriptor of 10 or above
 * where there is one, out of the way of a program that counts on low numbers. */
int os_memory_create(const char *name, uint64_t size);
/* Maps all of it for sharing; MAP_FAILED on failure. Costs no memory until touched. */
void *os_memory_map(int fd, uint64_t size);
/* Makes sure that the range can be touched without SIGBUS. */
int os_memory_commit(int fd, uint64_t offset, uint64_t size);
/* Gives the pages of the range back to the system; they read as zero afterwards. */
void os_memory_release(int fd, uint64_t offset, uint64_t size);
/* A private page that reads as zero in a forked child; NULL when there is no memory. */
void *os_memory_wipe_on_fork(void);

void os_memory_unmap(void *memory, uint64_t size);
/* Shared memory with a name, mapped; NULL with errno (EEXIST, ENOENT, …). What is created is this user's alone, zero, and
 * can be touched without SIGBUS. */
void *os_named_memory_create(const char *name, uint64_t size);
void *os_named_memory_attach(const char *name, uint64_t *size);
int os_named_memory_unlink(const char *name);
/* 64 random bits. */
uint64_t os_random(void);

/* --- processor --- */
static inline void os_cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}
/* CPUs this process may use: affinity and the cgroup's quota (rounded up), at least 1. */
unsigned os_usable_cpus(void);

/* --- processes --- */
/* The calling thread's number, unique in the system while it lives. */
uint32_t os_thread_id(void);
/* Nanoseconds since the system's start, now; and when the process began (in steps of a clock tick; 0 when there is
 * no such process). A pid may be used again; a pid with a time may not. */
uint64_t os_boot_time(void);
uint64_t os_process_start_time(pid_t pid);
/* A close-on-exec descriptor that becomes readable when the process ends. */
int os_pidfd_open(pid_t pid);
int os_pidfd_signal(int pidfd, int signal);
bool os_pidfd_ended(int pidfd);
/* Waits for a child's end, or for the deadline; may return early. */
void os_pidfd_wait(int pidfd, deadline_t deadline);
/* Takes the end of a child: true when it was there to take. exit_code: status, or minus the signal; os_reap sets
 * *stolen when somebody else has taken it. */
bool os_reap(int pidfd, int *exit_code, bool *stolen);
/* Starts a program's image, without copying this process (vfork-like); looked for along PATH. kept: descriptors the child
 * inherits under the same numbers. environment entry: added to the child's environment. */
#define OS_OWN_IMAGE "/proc/self/exe"
int os_spawn_image(const char *path, char *const argv[], const char *environment_entry, const int *kept,
                   size_t kept_count, pid_t *pid);
/* What another program is started with. */
struct os_program {
    const char *const *paths; /* to try, in turn, up to a NULL */
    char *const *arguments, *const *environment;
    const char *directory; /* NULL: as here */
    int stdio[3];          /* what becomes 0, 1 and 2; -1: as here */
    const int *kept;       /* further descriptors that it has */
    size_t kept_count;
    bool keep_all; /* every one that is not close-on-exec */
    bool new_session, set_group_of_processes, restore_signals;
    int group_of_processes;
    int mask;            /* umask; -1: as here */
    int64_t user, group; /* -1: as here */
    const gid_t *groups; /* NULL: as here */
    size_t group_count;
};
/* At what a start failed; errno says why. */
enum os_program_step { OS_STEP_START, OS_STEP_DESCRIPTORS, OS_STEP_DIRECTORY, OS_STEP_IDENTITY, OS_STEP_EXEC };
/* Starts it without copying this process. 0, with its pid and a descriptor for it; or -1 and the step that failed. */
int os_program_start(const struct os_program *program, pid_t *pid, int *pidfd, enum os_program_step *step);
/* A pipe, close-on-exec: [0] to read, [1] to write. */
int os_pipe(int ends[2]);
/* In a spawned child, before anything else: closes all descriptors from 3 on but the kept ones. */
void os_close_all_but(const int *kept, size_t kept_count);
/* From now on this process is killed when the last write end of the pipe is closed. Independent of which thread
 * of the parent started it, as PR_SET_PDEATHSIG is not. False when the writer is gone already. */
bool os_die_with_writer(int pipe_read_end);
/* From now on this process is killed when its (single-threaded) parent ends; false when it has ended already. */
bool os_die_with_parent(pid_t parent);
/* Takes that back. */
void os_live_on(void);
/* Standard input becomes /dev/null. */
void os_detach_stdin(void);
/* Undoes what a server process may have set, so that a child starts with every signal at its default. */
void os_reset_signals(void);

/* --- doorbells: a descriptor that other processes can make readable, by a 32-bit address. --- */
/* A non-blocking, close-on-exec descriptor, nothing in the file system. */
int os_doorbell_create(uint32_t *address);
/* False when nobody has that doorbell any more. */
bool os_doorbell_ring(uint32_t address);
void os_doorbell_silence(int fd);

/* --- descriptors --- */
int os_send_with_fd(int socket, const void *data, size_t size, int fd);
ssize_t os_receive_with_fd(int socket, void *data, size_t size, int *fd);

#endif
