/* All that is system-specific, behind plain functions. Unless its comment says otherwise, each returns 0 (or a
 * descriptor, or a count) on success, and -1 with errno set on failure. None uses prong's own structures. */
#ifndef OS_OS_H
#define OS_OS_H

#include "base/deadline.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* --- futex: waits while *word == expected; may return early for any reason, so the caller checks again. --- */
void os_futex_wait(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline);
/* Wakes up to count waiters; returns how many woke. */
int os_futex_wake(_Atomic uint32_t *word, int count);
/* The same, but may be interrupted (see base/interrupt.h), which it checks after the wait. */
void os_futex_sleep(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline);
/* The same, only for waiters whose mask has a bit in common with this one. */
void os_futex_sleep_masked(_Atomic uint32_t *word, uint32_t expected, uint32_t mask, deadline_t deadline);
int os_futex_wake_masked(_Atomic uint32_t *word, int count, uint32_t mask);
/* One of several words that a thread sleeps on: while *word == expected. */
struct os_futex_item {
    uint64_t expected;
    uint64_t word; /* its address */
    uint32_t flags, unused;
};
enum { OS_FUTEX_ITEMS = 128 }; /* the most */
struct os_futex_item os_futex_item(_Atomic uint32_t *word, uint32_t expected);
/* As os_futex_sleep, until any of the words changes. False: the kernel (before 5.16) or a sandbox has no such call. *woken:
 * the item that ended the sleep; -1: something else did. An item's wake-up may have been consumed, too, if it is not that one. */
bool os_futex_sleep_any(struct os_futex_item *items, size_t count, deadline_t deadline, int *woken);

/* --- poll(2) until the deadline; may be interrupted, which it checks after the wait --- */
int os_poll(struct pollfd *fds, size_t count, deadline_t deadline);

/* --- memory --- */
/* An anonymous, sparse shared memory object of the given size, which is sealed against a change of the size. Its
 * descriptor is close-on-exec and, where possible, 10 or above, as some programs count on low numbers. EFBIG when the
 * limit below forbids the size. *call: which system call failed. */
int os_memory_create(const char *name, uint64_t size, const char **call);
/* Whether the descriptor is of such an object, and not of a file. */
bool os_is_memory(int fd);
/* Whether this process has one of that name that is not close-on-exec. */
bool os_memory_is_inherited(const char *name);
/* Whether the object can no longer be made shorter or longer. */
bool os_memory_is_sealed(int fd);
/* The largest size that a file may be given (RLIMIT_FSIZE); UINT64_MAX: any. */
uint64_t os_file_size_limit(void);
/* Bytes of address space that this process may have (RLIMIT_AS; UINT64_MAX: any), and has. */
uint64_t os_address_space_limit(void);
uint64_t os_address_space_used(void);
/* Memory of a process, in bytes. */
struct os_memory_used {
    uint64_t space; /* its address space */
    uint64_t
        own; /* pages that no other process has (RssAnon), but for those that it shares with its parent since a fork */
    uint64_t private; /* what such pages can become, which RLIMIT_DATA counts, and its stack */
};
/* pid: 0 for this process. False with errno: there is none, or /proc is not to be had. */
bool os_memory_used(int pid, struct os_memory_used *used);
/* Lets the calling process have no more private memory than that, if it may have more now. */
void os_memory_limit_private(uint64_t bytes);
/* Maps all of it for sharing; MAP_FAILED on failure. Costs no memory until touched. */
void *os_memory_map(int fd, uint64_t size);
/* Maps privately (copy-on-write) the pages that contain `size` bytes from `offset`, and returns the address of those
 * bytes. NULL on failure. */
void *os_memory_view(int fd, uint64_t offset, uint64_t size);
void os_memory_end_view(void *view, uint64_t size);
/* Whether no page of the view is private: nothing was written to it. False if /proc does not tell. */
bool os_memory_view_is_unwritten(const void *view, uint64_t size);
void os_memory_leave_out_of_dumps(void *memory, uint64_t size);
/* Makes sure that the range of a mapping can be accessed without SIGBUS. Takes an address and not the descriptor, whose
 * number may by now be that of a file of the program. */
int os_memory_commit(void *memory, uint64_t size);
/* The same for the first bytes of an object just made, and cheaper where most of them stay untouched. */
int os_memory_commit_new(int fd, void *memory, uint64_t size);
/* The same for much memory, which lies at the offset of the object behind fd: quicker, and its pages are not mapped yet.
 * If the descriptor is of no use, they are. */
int os_memory_reserve(int fd, void *memory, uint64_t offset, uint64_t size);
/* Maps the pages of such memory at once, if that seems not to have been done in this process: a fault for each takes
 * longer. */
void os_memory_prefault(void *memory, uint64_t size);
/* Gives the whole pages of the range back to the system; they read as zero afterwards. By the address, too. */
void os_memory_release(void *memory, uint64_t size);
/* The memory that the control groups leave this process, from its own group up to the last that it can see: the
 * smallest remainder, its limit, and the file that sets the limit. Swap is not counted. UINT64_MAX: no limit. Takes
 * some 70 microseconds. */
struct os_memory_room {
    uint64_t left, limit;
    char file[300];
};
void os_memory_room(struct os_memory_room *room);
/* Identifies a file, whatever descriptor it is open as. */
struct os_file {
    uint64_t device, inode;
};
int os_file_identify(int fd, struct os_file *file);
/* A new close-on-exec descriptor: the first for the file that this process has mapped whole, which needs rights that
 * few processes have; the second for a file that another process (0: this one) has open. -1 on failure. */
int os_memory_reopen(const void *memory, uint64_t size, const struct os_file *file);
int os_file_reopen(pid_t pid, const struct os_file *file);
/* Private memory, zero, which reads as zero in a forked child; NULL when there is none. */
void *os_memory_wipe_on_fork(uint64_t size);

/* Private, zero; NULL when there is none. Safe in a signal handler. */
void *os_memory_private(uint64_t size);
void os_memory_unmap(void *memory, uint64_t size);
/* Shared memory with a name, mapped; NULL with errno (EEXIST, ENOENT, …). What is created is this user's alone, zero, and
 * can be touched without SIGBUS. */
void *os_named_memory_create(const char *name, uint64_t size);
void *os_named_memory_attach(const char *name, uint64_t *size);
int os_named_memory_unlink(const char *name);
/* 64 random bits from the system. If a sandbox allows neither getrandom nor /dev/urandom, they are made from the random
 * bytes that the kernel gave this program at its start, which only a process that can read its memory knows. */
uint64_t os_random(void);

/* --- processor --- */
static inline void os_cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

/* Asks for memory that will be written soon. The compiler's own prefetch asks for a copy to read, unless it may use the
 * instruction below, which processors without it take for none: then the first store has to ask again. */
static inline void os_prefetch_to_write(const void *memory) {
#if defined(__x86_64__)
    __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)memory));
#else
    __builtin_prefetch(memory, 1);
#endif
}

/* The size of the main thread's stack, for a thread whose copy is a process: what the user has set, within bounds. */
size_t os_stack_size(void);

/* --- barriers --- */
/* Registers this process: from now on, until exec, os_barrier_everywhere reaches its threads, and those of processes
 * forked from it. False if the system has no such call, or does not permit it. */
bool os_barrier_join(void);
/* Makes a full memory barrier in every running thread of every registered process. False: it made none. */
bool os_barrier_everywhere(void);

/* A full fence after a sequentially consistent store or read-modify-write; on x86 these are full fences themselves. */
static inline void os_fence_after_atomic(void) {
#if defined(__x86_64__) || defined(__i386__)
    atomic_signal_fence(memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}
/* CPUs this process may use: affinity and the cgroup's quota (rounded up), at least 1. */
unsigned os_usable_cpus(void);
/* Sets of CPUs by number. */
enum { OS_CPUS_MOST = 8192 };
struct os_cpus {
    unsigned long words[OS_CPUS_MOST / 8 / sizeof(unsigned long)];
};
static inline void os_cpus_add(struct os_cpus *cpus, unsigned cpu) {
    cpus->words[cpu / 8 / sizeof(unsigned long)] |= 1ul << cpu % (8 * sizeof(unsigned long));
}
static inline bool os_cpus_have(const struct os_cpus *cpus, unsigned cpu) {
    return cpus->words[cpu / 8 / sizeof(unsigned long)] >> cpu % (8 * sizeof(unsigned long)) & 1;
}
/* Those that the calling thread runs on. -1 with errno. */
int os_cpus_get(struct os_cpus *cpus);
int os_cpus_set(const struct os_cpus *cpus);

/* --- processes --- */
/* The calling thread's number, unique in the system while it lives. */
uint32_t os_thread_id(void);
/* Nanoseconds since the system's start, now; and when the process began (in steps of a clock tick; 0 when there is
 * no such process, or it cannot be told). A pid may be used again; a pid with a time may not. */
uint64_t os_boot_time(void);
uint64_t os_process_start_time(pid_t pid);
/* The name of a system call that starting processes needs, and that is missing here or forbidden (errno says which); or
 * NULL. */
const char *os_missing_for_processes(void);
/* The namespace in which this process has its pid; 0 when it cannot be told. */
uint64_t os_pid_namespace(void);
/* Whether /proc uses the numbers of that namespace. */
bool os_proc_is_own(void);
/* The first marks a place of the memory object (any number below 2^62) for as long as this process lives. The second:
 * whether no process marks the place any more; false when that cannot be told, or no other process ever marked it. */
int os_life_begin(int memory, uint64_t place);
bool os_life_has_ended(int memory, uint64_t place);
/* A word in shared memory that shows whether a thread runs. The system notes the thread's end in it, and then wakes one
 * thread that sleeps on it as on a futex. */
enum { OS_PULSE_SIZE = 56 };
struct os_pulse {
    _Alignas(8) char mutex[OS_PULSE_SIZE];
};
/* Begins the pulse of the calling thread, which lasts as long as that; only one pulse begins in a thread. The memory must have no
 * pulse that beats. The offset of its word in the structure; -1: not possible here. */
int os_pulse_begin(struct os_pulse *pulse);
static inline bool os_pulse_beats(uint32_t word) {
    return (word & 0x3fffffffu) != 0 && !(word & 0x40000000u); /* FUTEX_TID_MASK, FUTEX_OWNER_DIED */
}
/* A close-on-exec descriptor that becomes readable when the process ends. */
int os_pidfd_open(pid_t pid);
/* The process's number in this PID namespace; 0 when it was reaped, or this cannot be told. */
pid_t os_pidfd_pid(int pidfd);
int os_pidfd_signal(int pidfd, int signal);
bool os_pidfd_ended(int pidfd);
/* The process that made the other end of a connected Unix socket, in whatever PID namespace: a pidfd, also of one that has
 * ended; -1 with errno: the kernel (before 6.5) cannot tell, or no descriptor is left. */
int os_pidfd_of_peer(int socket);
/* A number that no other process has had since the system's start; 0: the kernel (before 6.9) has none. */
uint64_t os_pidfd_identity(int pidfd);
/* False when it is not a child of this process, or was reaped. */
bool os_pidfd_is_child(int pidfd);
/* A close-on-exec descriptor that is readable, like the pidfd of a process that has ended, but refers to no process. */
int os_ended_descriptor(void);
/* How a process ended that has not been reaped yet, also one that is another's child; false when that cannot be
 * told. */
bool os_unreaped_code(int pidfd, int *exit_code);
/* Waits for a child's end, or for the deadline; may return early. */
void os_pidfd_wait(int pidfd, deadline_t deadline);
/* Reaps a child: true if it had ended. exit_code: its status, or minus the signal; os_reap sets *stolen when somebody
 * else has reaped it. */
bool os_reap(int pidfd, int *exit_code, bool *stolen);
/* A copy of this process's environment, made while other threads may change it: every variable that none of them
 * changes is in it, with its value. This thread must not change it before os_environment_free. first: an entry ("NAME=value") that comes first and replaces others of that name;
 * or NULL. Errors: ENOMEM, E2BIG (a longer string than a program can be started with), EBUSY (it changes all the
 * time). */
struct os_environment {
    char **entries; /* up to a NULL */
    char *text;
};
int os_environment_copy(struct os_environment *environment, const char *first);
/* The same from these entries, which must not change meanwhile; those that name no variable stay, too. */
int os_environment_make(struct os_environment *environment, char *const *entries, const char *first);
void os_environment_free(struct os_environment *environment);
/* The value of the variable in such a copy, or in any other array of entries; NULL where it is not set. */
const char *os_environment_value(char *const *entries, const char *name);
/* Whether the caller of this program has fewer rights than the program (set-user-ID, set-group-ID, file capabilities):
 * then its environment and its descriptors cannot be trusted. The second: whether that will be so in an image that this
 * process starts: its own, or another. */
bool os_is_secure_execution(void);
bool os_would_be_secure_execution(bool own_image);
/* Whether this image was started by way of OS_OWN_IMAGE. */
#define OS_OWN_IMAGE "/proc/self/exe"
bool os_is_own_image(void);
/* What another program is started with. */
struct os_program {
    const char *const *paths; /* to try, in turn, up to a NULL */
    char *const *arguments, *const *environment;
    const char *directory; /* NULL: as here */
    int stdio[3];          /* what becomes 0, 1 and 2; -1: as here */
    const int *kept;       /* further descriptors that it has */
    size_t kept_count;
    bool keep_all; /* every one that is not close-on-exec */
    bool new_session, set_group_of_processes;
    bool bound;                  /* it is killed when the thread that starts it ends */
    bool restore_signals;        /* SIGPIPE and SIGXFSZ at their default */
    const sigset_t *signal_mask; /* NULL: the calling thread's */
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
/* Two sockets that keep messages apart, close-on-exec. */
int os_socket_pair(int ends[2]);
/* For functions that run in a child that shares its parent's memory: a sanitizer would take the child for a thread of
 * the parent. */
#define OS_IN_CHILD __attribute__((no_sanitize("address"), no_sanitize("thread")))
/* In a spawned child, before anything else: closes all descriptors from 3 on but the kept ones. */
void os_close_all_but(const int *kept, size_t kept_count);
/* Closes the numbers from low to high, both included, which are all the caller's; none if high is below low. */
void os_close_range(int low, int high);
/* From now on this process is killed when the last write end of the pipe is closed. Independent of which thread
 * of the parent started it, as PR_SET_PDEATHSIG is not. False when the writer is gone already. */
bool os_die_with_writer(int pipe_read_end);
/* From now on this process is killed when its (single-threaded) parent ends; false when it has ended already. */
bool os_die_with_parent(pid_t parent);
/* Undoes that. */
void os_live_on(void);
/* From now on this process is the parent of each process below it whose own parent has ended. False: not possible here. */
bool os_adopt_orphans(void);
/* Kills and reaps all children of this process, and those that it adopts meanwhile, until the deadline. Whoever else
 * waits for children of this process loses their ends. */
void os_end_children(deadline_t deadline);
/* Ends this process by that signal's default action, without a core dump; returns if that does not end a process. */
void os_die_by(int signal);
/* Blocks these signals in the calling thread (*before: its mask until then); the close-on-exec descriptor is readable
 * while one of them is pending. The second takes one: its number, or 0. The third closes the descriptor, drops what is
 * pending, and restores the mask. */
int os_signals_open(const int *numbers, size_t count, sigset_t *before);
int os_signals_take(int fd);
void os_signals_close(int fd, const sigset_t *before);
/* Unblocks a signal in the calling thread. */
void os_signal_unblock(int number);
/* A datagram socket that is connected to the service manager's: a path, or an abstract name after '@'. -1 with EINVAL:
 * the address is neither. */
int os_notify_open(const char *address);
/* Never waits. */
void os_notify_send(int socket, const char *text);
/* Standard input becomes /dev/null. */
void os_detach_stdin(void);
/* In a forked child that has one thread: whether a thread of the parent held the stream's lock, which stays held. */
bool os_stream_is_lost(FILE *stream);
/* In a server process: ignores SIGINT and blocks SIGCHLD; the descriptor is readable once a child has ended, until it
 * is drained. In a child of the server: restores both signals and the mask. */
int os_take_signals(void);
void os_drain_signals(int fd);
void os_give_signals_back(void);

/* --- doorbells: a descriptor that other processes can make readable, by a 32-bit address. --- */
/* A non-blocking, close-on-exec descriptor, nothing in the file system. */
int os_doorbell_create(uint32_t *address);
/* False when no process here has that doorbell any more, or this one has no descriptor or memory for it. */
bool os_doorbell_ring(uint32_t address);
void os_doorbell_silence(int fd);

/* --- bells: a pipe that several processes have open, readable while there is a byte in it. --- */
struct os_bell_id {
    uint64_t device, inode;
};
/* The pipe, open for reading and writing, close-on-exec, never waiting. */
int os_bell_create(struct os_bell_id *id);
/* Opens the pipe that another process has under that number, if it is this pipe; no other file is opened to find
 * out. */
int os_bell_open(pid_t pid, int number, const struct os_bell_id *id);
bool os_bell_is(int fd, const struct os_bell_id *id);
/* At most OS_BELL_MOST bytes; none if the pipe is about full. False: the system has failed. */
enum { OS_BELL_MOST = 16 };
bool os_bell_put(int fd, uint32_t count);
/* At most so many. */
void os_bell_take(int fd, uint32_t count);
uint32_t os_bell_bytes(int fd);

/* --- pollers: a close-on-exec descriptor that watches others, and is itself readable while one of them is ready. An
 * end or an error is reported whatever a descriptor is watched for. --- */
enum {
    OS_POLLER_IN = 1,
    OS_POLLER_OUT = 2,
    OS_POLLER_ENDED = 4, /* the other side sends no more */
    OS_POLLER_BROKEN = 8 /* told only: the connection is gone, in both directions */
};
struct os_poller_event {
    uint32_t events;
    uint64_t tag; /* as it was given */
};
int os_poller_create(void);
/* Over these, for OS_POLLER_IN; those below 0 are left out. */
int os_poller_create_over(const int *descriptors, size_t count);
/* EEXIST: it is watched already. */
int os_poller_add(int poller, int descriptor, uint32_t events, uint64_t tag);
int os_poller_change(int poller, int descriptor, uint32_t events, uint64_t tag);
int os_poller_remove(int poller, int descriptor);
/* Whether it is a poller, which watches that descriptor. */
bool os_poller_has(int poller, int descriptor);
/* Waits up to that many milliseconds, -1: forever. Returns how many events there are: at most count, and at most 64 at
 * once. */
int os_poller_wait(int poller, struct os_poller_event *events, int count, int milliseconds);

/* --- wake-ups: a close-on-exec descriptor that is readable from when it is set until it is taken --- */
int os_wakeup_create(void);
/* Safe in a signal handler. */
void os_wakeup_set(int wakeup);
/* Whether it was set. */
bool os_wakeup_take(int wakeup);

/* --- descriptors --- */
/* What the library opens never becomes a standard stream: 0, 1 or 2 move to a number from 3 on. Takes the result of a
 * system call, which may be -1; returns -1 with errno when there is no other number. */
int os_off_stdio(int fd);
/* The same for both descriptors of a pair; if it fails, both are closed. */
int os_pair_off_stdio(int ends[2]);
/* Whether a call on a socket that failed with errno is to be made again. If the kernel has no memory for a message,
 * sleeps before that, for 100 ms in all: the message is not lost, and the other side is still there. looks: 0 at
 * first. */
bool os_passes_soon(int *looks);
/* Any close-on-exec descriptor, to be closed when its number is needed. */
int os_spare_descriptor(void);
int os_send_with_fd(int socket, const void *data, size_t size, int fd);
ssize_t os_receive_with_fd(int socket, void *data, size_t size, int *fd);

#endif
