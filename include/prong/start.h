/* How processes start and end: prong_main, the three start methods, the fork
 * server.
 *
 * The start methods mean what they mean in Python:
 *   fork        the child is a copy of this process, as fork(2) makes it;
 *   spawn       the child is this program's image, started afresh; it has only
 *               what it is handed;
 *   forkserver  the child is forked from a small, clean, single-threaded server
 *               that is itself started as by spawn, once.
 * spawn and forkserver need prong_main in main, and cost the same however much
 * memory this process uses. Any function of the program or of a shared library
 * can be a target, `static` ones too, with no registration.
 *
 * Environment. A new image begins with this process's environment as it is at
 * the start, unless it is given another. Other threads may change it meanwhile
 * (setenv): the child has every variable that none of them touches, with its
 * value. Of the others it has the old value, the new one, or none; and, with C
 * libraries that free old values (musl), possibly a mangled one. If the
 * environment changes so fast that it cannot be read, the start fails with
 * PRONG_SYSTEM.
 *
 * Signals. A new image begins with no signal blocked. Signals that this process
 * ignores are ignored, all others are at their default, as after exec(2). A
 * fork server's children have the signals as they were when the server started.
 *
 * Streams. In the child, standard input is /dev/null. A start by fork flushes
 * stdout and stderr first, unless another thread is using them; the child drops
 * what it copied. It flushes no other stream, as a thread may be waiting for
 * input in one: the parent writes what their buffers hold, and a forked child
 * flushes or closes the streams that it opens itself.
 *
 * End of a child. A child that returns from its target first ends its own
 * children, as below, then flushes its standard output streams. By fork and
 * forkserver it then ends by _exit: no exit handler runs, neither its own nor
 * one of the process that it was forked from. By spawn it ends by exit, with
 * the handlers that its image has registered. A child that calls exit itself
 * runs all handlers that it has, the last one first; in a forked child these
 * include its parent's. One of them ends its children. A forked child that must
 * not run its parent's handlers returns from its target, or calls _exit, which
 * ends no children.
 *
 * Exit of a parent. A process that exits, by exit() or by returning from main,
 * closes its connection ends, ends its daemonic children (SIGTERM, and SIGKILL
 * two seconds later), and joins the others. It does not join a child that
 * cannot end before it does: one whose main thread joins this process without a
 * time limit, directly or through other processes that join each other, or that
 * is in such a circle itself. (A process at exit joins its children without a
 * time limit, too.) Such a child lives on. Waits for anything else, such as a
 * lock or a message, are not considered. When a process dies without exiting,
 * by a signal or _exit, the kernel kills its daemonic children at once; the
 * others live on. A daemon that has changed its user since is killed too, if it
 * was root before (in a user namespace: by forkserver only).
 *
 * The program may ignore SIGCHLD, or reap children itself; starts succeed all
 * the same. The exit code of a child that was reaped so is what its target
 * returned; or 255 if it called exit or died by a signal. A start reaps a few
 * children that have ended, so that those which no call joins do not add up. */
#ifndef PRONG_START_H
#define PRONG_START_H

#include <prong/status.h>
#include <stddef.h>

PRONG_BEGIN_DECLS

/* The first line of main. In a spawned child or a fork server it does what that
 * process was started for, and does not return; in any other process it returns
 * at once. In a child it closes the descriptors that the child was not handed.
 *
 * A child finds what it was started for in the environment, in PRONG_CHILD,
 * which is removed here. It is used only if it contains the secret of the arena
 * whose descriptor it names; else it has no effect. A program with more rights
 * than its caller (set-user-ID, set-group-ID, file capabilities) never uses it,
 * so it cannot start its own image either. */
PRONG_API void prong_main(int *argc, char ***argv);

typedef enum prong_start_method {
    PRONG_START_DEFAULT = 0, /* that of prong_set_start_method, or fork */
    PRONG_START_FORK,
    PRONG_START_SPAWN,
    PRONG_START_FORKSERVER,
} prong_start_method;

/* Set and get what PRONG_START_DEFAULT means in this process and those that it
 * starts. Errors: PRONG_INVALID (no such method). Thread-safe. */
PRONG_API prong_status prong_set_start_method(prong_start_method method);
PRONG_API prong_start_method prong_get_start_method(void);

/* "fork", "spawn", "forkserver" or "default". Never NULL. Thread-safe. */
PRONG_API const char *prong_start_method_name(prong_start_method method);

/* Tells the fork server of this process, which is not started yet, to load
 * shared libraries (named as for dlopen) and then to call a function, which may
 * be NULL, so that children find this done. The function may make any call, but
 * should start no thread: children would not have it. A library that cannot be
 * loaded makes the first start fail. Thread-safe.
 * Errors: PRONG_ALREADY_STARTED, PRONG_INVALID, PRONG_NO_MEMORY. */
PRONG_API prong_status prong_set_forkserver_preload(
    const char *const *libraries, size_t count, void (*function)(void));

/* Starts the fork server of this process, unless it runs, and does not wait
 * until it is ready: it begins while the program goes on. The first start by
 * forkserver does the same, and waits. With a preload (see above) this call
 * waits until that is done, up to 60 s; starts by forkserver from other threads
 * wait meanwhile. Thread-safe.
 * Errors: PRONG_NO_MAIN, PRONG_NO_PROCESSES, PRONG_NO_MEMORY,
 * PRONG_NO_DESCRIPTORS, PRONG_PERMISSION, PRONG_SYSTEM; of a preload:
 * PRONG_START_FAILED, PRONG_NO_FUNCTION, PRONG_TIMEOUT. */
PRONG_API prong_status prong_start_forkserver(void);

/* Ends the fork server of this process, if there is one; the next start by
 * forkserver begins another. Its daemonic children end with it. Waits up to 5 s
 * for its end. Thread-safe. */
PRONG_API void prong_stop_forkserver(void);

PRONG_END_DECLS

#endif
