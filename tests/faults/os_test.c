/* Faults in src/os itself: each function reports the error of the call that failed, in errno; leaves nothing open; and
 * works when it is called again. What the library can do without, it does without. */
#define _GNU_SOURCE
#include "faults.h"
#include "base/error.h"
#include "inject.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 1 << 16 };

#define OS_SCENARIO(title) SCENARIO_(title, TRY_ONCE | TRY_TO_THE_END | EACH_ERROR)

static prong_status reported(bool done, const char *call) {
    const struct fault_plan *plan = fault_plan;
    if (done) return PRONG_OK;
    if (plan->fired && plan->mode == FAULT_ONCE && errno != plan->error)
        fault_wrong(__FILE__, __LINE__, "%s: errno is %s, and %s failed with %s", call, strerror(errno), plan->where,
                    strerror(plan->error));
    prong_status status = fail_errno("%s", call);
    return status == PRONG_INVALID ? PRONG_SYSTEM : status; /* the kernel says that it has no such call */
}
#define works(call) sure(reported((call), #call))

/* One that looks at several things until it finds the right one: what errno says is not always about that. */
static prong_status was_found(bool found) {
    return found ? PRONG_OK : fail_text(fault_plan->kind == FAULT_MALLOC ? PRONG_NO_MEMORY : PRONG_START_FAILED, "no");
}
#define finds(call) sure(was_found((call)))

OS_SCENARIO(memory_is_made_mapped_and_opened_anew) {
    const char *call;
    struct os_file file;
    char *memory, *view, *own;
    int fd, again = -1;
    works((fd = os_memory_create("prong-tried", SIZE, &call)) >= 0);
    must_hold(os_is_memory(fd) && os_memory_is_sealed(fd));
    works((memory = os_memory_map(fd, SIZE)) != MAP_FAILED);
    works(os_memory_commit_new(fd, memory, SIZE) == 0);
    memcpy(memory + 5000, "here", 5);
    works(os_memory_commit(memory, SIZE) == 0);
    works(os_memory_reserve(fd, memory, 0, SIZE) == 0);
    plain(os_memory_prefault(memory, SIZE));
    works((view = os_memory_view(fd, 5000, 5)) != NULL);
    must_hold(!strcmp(view, "here"));
    plain(os_memory_view_is_unwritten(view, 5));
    os_memory_end_view(view, 5);
    works(os_file_identify(fd, &file) == 0);
    finds((again = os_file_reopen(0, &file)) >= 0);
    must_hold(again >= 0 && again != fd && os_is_memory(again));
    close(again);
    plain(again = os_memory_reopen(memory, SIZE, &file)); /* not without rights */
    must_hold(again < 0 || os_is_memory(again));
    if (again >= 0) close(again);
    bool inherited;
    plain(inherited = os_memory_is_inherited("prong-tried"));
    must_hold(!inherited); /* it is close-on-exec */
    works((own = os_memory_wipe_on_fork(SIZE)) != NULL);
    os_memory_unmap(own, SIZE);
    works((own = os_memory_private(SIZE)) != NULL);
    os_memory_unmap(own, SIZE);
    os_memory_unmap(memory, SIZE);
    close(fd);
}

OS_SCENARIO(memory_with_a_name_is_made_and_attached_to) {
    char name[64];
    char *made, *attached;
    uint64_t size;
    snprintf(name, sizeof name, "prong-tried-%d", (int)getpid());
    works((made = os_named_memory_create(name, SIZE)) != NULL); /* what failed has left no name */
    memcpy(made, "named", 6);
    works((attached = os_named_memory_attach(name, &size)) != NULL);
    must_hold(size == SIZE && !strcmp(attached, "named"));
    os_memory_unmap(attached, size);
    os_memory_unmap(made, SIZE);
    must_hold(os_named_memory_unlink(name) == 0);
    must_hold(!os_named_memory_attach(name, &size) && errno == ENOENT);
}

static void no_stream(int fd) {
    must_hold(fd > 2);
    if (fd > 2) close(fd);
}

/* The program has closed all three. */
OS_SCENARIO(what_is_opened_never_becomes_a_standard_stream) {
    int ends[2], fd;
    uint32_t address;
    struct os_bell_id id;
    for (int i = 0; i < 3; i++) close(i);
    works(os_pipe(ends) == 0);
    for (int i = 0; i < 2; i++) no_stream(ends[i]);
    works(os_socket_pair(ends) == 0);
    for (int i = 0; i < 2; i++) no_stream(ends[i]);
    works((fd = os_spare_descriptor()) >= 0);
    no_stream(fd);
    works((fd = os_poller_create()) >= 0);
    no_stream(fd);
    works((fd = os_wakeup_create()) >= 0);
    no_stream(fd);
    works((fd = os_doorbell_create(&address)) >= 0);
    no_stream(fd);
    works((fd = os_bell_create(&id)) >= 0);
    no_stream(fd);
    works((fd = os_pidfd_open(getpid())) >= 0);
    no_stream(fd);
    for (int i = 0; i < 3; i++) must_hold(fcntl(i, F_GETFD) < 0);
}

OS_SCENARIO(a_descriptor_goes_through_a_socket) {
    int ends[2], passed = -1;
    char text[8];
    works(os_socket_pair(ends) == 0);
    works(os_send_with_fd(ends[0], "it", 3, ends[1]) == 0);
    works(os_receive_with_fd(ends[1], text, sizeof text, &passed) == 3);
    must_hold(!strcmp(text, "it") && passed > 2);
    close(passed);
    works(os_send_with_fd(ends[0], "none", 5, -1) == 0);
    works(os_receive_with_fd(ends[1], text, sizeof text, &passed) == 5);
    must_hold(!strcmp(text, "none") && passed == -1);
    for (int i = 0; i < 2; i++) close(ends[i]);
}

OS_SCENARIO(bells_and_doorbells_are_heard) {
    struct os_bell_id id;
    uint32_t address, bytes;
    int bell, again = -1, door;
    works((bell = os_bell_create(&id)) >= 0);
    finds((again = os_bell_open(getpid(), bell, &id)) >= 0);
    must_hold(again >= 0 && os_bell_is(again, &id));
    plain(os_bell_put(again, 1));
    plain(bytes = os_bell_bytes(bell));
    must_hold(bytes == 1 || fault_plan->fired);
    plain(os_bell_take(bell, bytes));
    must_hold(os_bell_bytes(again) == 0 || fault_plan->fired);
    close(again);
    must_hold(os_bell_open(getpid(), 1000, &id) < 0);
    close(bell);
    works((door = os_doorbell_create(&address)) >= 0);
    bool there;
    plain(there = os_doorbell_ring(address));
    must_hold(there || fault_plan->fired); /* who cannot ring is told so: another member does it */
    plain(os_doorbell_silence(door));
    close(door);
}

OS_SCENARIO(pollers_tell_what_is_ready) {
    int ends[2], poller;
    struct os_poller_event event = {0};
    works(os_pipe(ends) == 0);
    works((poller = os_poller_create_over((const int[]){-1, ends[0]}, 2)) >= 0);
    must_hold(os_poller_has(poller, ends[0]) && !os_poller_has(poller, ends[1]) && !os_poller_has(poller, -1));
    works(os_poller_add(poller, ends[1], OS_POLLER_OUT, 7) == 0);
    works(os_poller_wait(poller, &event, 1, -1) >= 0);
    must_hold(event.tag == 7 && event.events == OS_POLLER_OUT);
    must_hold(os_poller_remove(poller, ends[1]) == 0);
    close(ends[1]);
    works(os_poller_wait(poller, &event, 1, -1) >= 0);
    must_hold(event.tag == 0 && event.events == OS_POLLER_BROKEN);
    close(poller);
    close(ends[0]);
}

OS_SCENARIO(processes_are_identified) {
    int self, ended, ends[2], peer;
    pid_t pid;
    uint64_t start, namespace, identity;
    works((self = os_pidfd_open(getpid())) >= 0);
    must_hold(!os_pidfd_ended(self) && !os_pidfd_is_child(self));
    works((ended = os_ended_descriptor()) >= 0);
    must_hold(os_pidfd_ended(ended));
    plain(pid = os_pidfd_pid(self));
    must_hold(pid == getpid() || (pid == 0 && fault_plan->fired));
    plain(start = os_process_start_time(getpid()));
    must_hold((start && start <= os_boot_time()) || fault_plan->fired);
    plain(namespace = os_pid_namespace());
    must_hold(namespace || fault_plan->fired);
    const char *missing;
    plain(missing = os_missing_for_processes());
    must_hold(!missing);
    works(os_socket_pair(ends) == 0);
    plain(peer = os_pidfd_of_peer(ends[0]));   /* Linux 6.5 */
    plain(identity = os_pidfd_identity(peer)); /* Linux 6.9 */
    must_hold(peer >= 0 || !identity);
    must_hold(!os_pidfd_identity(ends[0]));
    if (peer >= 0) close(peer);
    for (int i = 0; i < 2; i++) close(ends[i]);
    close(ended);
    close(self);
}

static void a_child_knows(int fd, uint64_t place) {
    pid_t pid = fork();
    if (pid == 0) _exit(os_life_has_ended(fd, place));
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    must_hold(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

OS_SCENARIO(a_process_marks_its_life) {
    const char *call;
    int fd;
    works((fd = os_memory_create("prong-tried", SIZE, &call)) >= 0);
    works(os_life_begin(fd, 1000) == 0);
    a_child_knows(fd, 1000);
    must_hold(os_life_has_ended(fd, 1001)); /* nobody's */
    close(fd);
}

OS_SCENARIO(random_bits_differ_wherever_they_come_from) {
    uint64_t bits[8];
    for (int i = 0; i < 8; i++) plain(bits[i] = os_random());
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < i; j++) must_hold(bits[i] != bits[j]);
}

OS_SCENARIO(the_environment_is_copied) {
    struct os_environment copy;
    setenv("PRONG_TRIED", "as it is", 1);
    works(os_environment_copy(&copy, "PRONG_FIRST=1") == 0);
    const char *value = os_environment_value(copy.entries, "PRONG_TRIED");
    must_hold(!strcmp(copy.entries[0], "PRONG_FIRST=1") && value && !strcmp(value, "as it is"));
    os_environment_free(&copy);
    char *const entries[] = {"ONE=1", "PRONG_FIRST=other", NULL};
    works(os_environment_make(&copy, entries, "PRONG_FIRST=1") == 0);
    must_hold(!strcmp(copy.entries[0], "PRONG_FIRST=1") && !strcmp(copy.entries[1], "ONE=1") && !copy.entries[2]);
    os_environment_free(&copy);
}

OS_SCENARIO(what_the_system_allows_is_read) {
    struct os_memory_room room;
    unsigned cpus;
    uint64_t used;
    plain(cpus = os_usable_cpus());
    must_hold(cpus >= 1);
    plain(os_memory_room(&room));
    must_hold(room.left <= room.limit);
    plain(used = os_address_space_used());
    must_hold(used > 0 || fault_plan->fired);
}

SCENARIO_(a_program_is_started_and_reaped, TRY_ONCE | TRY_TO_THE_END | TRY_IN_CHILDREN | EACH_ERROR) {
    int pidfd, ends[2], code = -1;
    pid_t pid;
    bool stolen = false, over = false;
    enum os_program_step step;
    works(os_pipe(ends) == 0);
    const struct os_program program = {.paths = (const char *const[]){"/no/such", "/bin/sh", NULL},
                                       .arguments = (char *const[]){"sh", "-c", "echo $$; exit 7", NULL},
                                       .environment = (char *const[]){"PATH=/bin", NULL},
                                       .stdio = {-1, ends[1], -1},
                                       .mask = -1,
                                       .user = -1,
                                       .group = -1};
    works(os_program_start(&program, &pid, &pidfd, &step) == 0);
    close(ends[1]);
    char text[32] = "";
    ssize_t size;
    while ((size = read(ends[0], text, sizeof text - 1)) < 0 && errno == EINTR) {}
    must_hold(atoi(text) == pid);
    for (int i = 0; i < 500 && !over; i++) {
        plain(os_pidfd_wait(pidfd, deadline_after(PRONG_SECONDS(1))));
        plain(over = os_reap(pidfd, &code, &stolen));
    }
    must_hold(over && !stolen && code == 7);
    close(pidfd);
    close(ends[0]);
}
