/* Managers: C clients of a prong server, or (peer cpython_server) of Python's, which bench/cpython.py starts.
 * `bench serve ADDRESS` is a server for others to measure. */
#define _GNU_SOURCE
#include "bench.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

double bench_now(void);
void bench_die(const char *what);

static const prong_link_options KEY = {.authkey = "bench", .authkey_size = 5, .allow_md5 = true};
enum { PAIRS = 4000, LATENCIES = 1 << 20 };

static char address[100];
static pid_t server;

static void serve(void) {
    prong_server *made;
    prong_server_options options = {.address = address, .link = KEY};
    must(prong_server_open(&made, &options));
    must(prong_server_run(made, PRONG_FOREVER));
    exit(0);
}

/* By path; a server of its own process. */
static void start_server(const char *peer) {
    snprintf(address, sizeof address, "/tmp/prong-bench-%d", (int)getpid());
    server = fork();
    if (server) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!strcmp(peer, "prong")) serve();
    const char *script = getenv("BENCH_CPYTHON");
    execlp("python3", "python3", script ? script : "bench/cpython.py", "serve", address, NULL);
    bench_die("python3 cannot be started");
}

static void end_server(void) {
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    unlink(address);
}

static prong_manager connected(void) {
    prong_manager manager;
    for (int i = 0; i < 500; i++) {
        if (prong_manager_connect(&manager, address, &KEY, PRONG_SECONDS(10)) >= 0) return manager;
        usleep(20000);
    }
    bench_die(prong_error_message());
    return manager;
}

/* Microseconds for each of count calls, a set and a get in turn; stored in latencies if that is not NULL. */
static void call_dict(prong_proxy dict, long pairs, float *latencies) {
    prong_document *document;
    prong_value result;
    must(prong_document_open(&document, NULL));
    for (long i = 0; i < pairs * 2; i++) {
        double start = latencies ? bench_now() : 0;
        if (i % 2)
            must(prong_proxy_call(dict, "__getitem__", document, &result, PRONG_SECONDS(60), "(s)", "key"));
        else
            must(prong_proxy_call(dict, "__setitem__", document, NULL, PRONG_SECONDS(60), "(sl)", "key", i));
        if (latencies) latencies[i] = (float)((bench_now() - start) * 1e6);
        prong_document_reset(document);
    }
    prong_document_close(document);
}

static void dict_pairs(prong_manager manager, long pairs) {
    prong_proxy dict;
    must(prong_proxy_create(&dict, manager, "dict", PRONG_SECONDS(60), "()"));
    call_dict(dict, pairs / 10, NULL);
    double start = bench_now();
    call_dict(dict, pairs, NULL);
    bench_result((bench_now() - start) * 1e6 / (double)(pairs * 2));
}

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* So many processes at a time; requests a second, or the 99th percentile of a request's time in microseconds. */
static void many_clients(int clients, bool percentile) {
    long pairs = clients > 8 ? 100 : 2000;
    float *latencies = mmap(NULL, LATENCIES * sizeof(float), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int gate[2], ready[2];
    char byte;
    if (latencies == MAP_FAILED || pipe(gate) || pipe(ready)) bench_die("no memory");
    prong_manager first = connected();
    for (int i = 0; i < clients; i++)
        if (fork() == 0) {
            prong_proxy dict;
            prong_manager manager = connected();
            must(prong_proxy_create(&dict, manager, "dict", PRONG_SECONDS(60), "()"));
            call_dict(dict, 5, NULL);
            close(gate[1]);
            if (write(ready[1], "", 1) != 1 || read(gate[0], &byte, 1) < 0) _exit(1);
            call_dict(dict, pairs, latencies + (long)i * pairs * 2);
            _exit(0);
        }
    (void)first;
    for (int i = 0; i < clients; i++)
        if (read(ready[0], &byte, 1) != 1) bench_die("a client failed");
    close(gate[0]);
    double start = bench_now();
    close(gate[1]);
    for (int i = 0; i < clients; i++) {
        int status = 0;
        do
            if (wait(&status) == server) bench_die("the server died");
        while (!WIFEXITED(status) || WEXITSTATUS(status));
    }
    double took = bench_now() - start;
    long requests = clients * pairs * 2;
    qsort(latencies, (size_t)requests, sizeof *latencies, by_size);
    bench_result(percentile ? latencies[requests * 99 / 100] : (double)requests / took);
}

static void queue_pairs(prong_manager manager) {
    prong_proxy queue;
    prong_document *document;
    prong_value item;
    must(prong_document_open(&document, NULL));
    must(prong_proxy_create(&queue, manager, "Queue", PRONG_SECONDS(60), "()"));
    double start = bench_now();
    for (int i = 0; i < PAIRS / 2; i++) {
        must(prong_proxy_put(queue, prong_make_int(i), PRONG_FOREVER));
        must(prong_proxy_get(queue, document, &item, PRONG_FOREVER));
        prong_document_reset(document);
    }
    bench_result((bench_now() - start) * 1e6 / (PAIRS / 2));
}

static long resident_kib(int pid) {
    char path[64], line[128];
    long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

/* By how much the server grows when a dict gets 100,000 entries like 'key 12345': 'value 12345'. */
static void entries(prong_manager manager) {
    prong_proxy dict;
    prong_document *document;
    prong_value part, text;
    must(prong_document_open(&document, NULL));
    must(prong_proxy_create(&dict, manager, "dict", PRONG_SECONDS(60), "()"));
    long before = resident_kib(server);
    for (int i = 0; i < 100000; i += 1000) {
        prong_document_reset(document);
        must(prong_make_dict(document, NULL, 0, &part));
        for (int k = i; k < i + 1000; k++) {
            char key[32], value[32];
            snprintf(key, sizeof key, "key %d", k);
            snprintf(value, sizeof value, "value %d", k);
            must(prong_make_str(document, value, PRONG_TO_NUL, &text));
            must(prong_dict_set_text(document, part, key, text));
        }
        must(prong_proxy_call(dict, "update", document, NULL, PRONG_SECONDS(60), "(v)", part));
    }
    bench_result((double)(resident_kib(server) - before));
}

static void family_call(void) {
    prong_manager manager;
    must(prong_manager_start(&manager, NULL));
    dict_pairs(manager, PAIRS * 2);
    must(prong_manager_shutdown(manager, PRONG_SECONDS(10)));
}

bool bench_manager(const char *name, const char *peer) {
    int clients = 0;
    char rest[20] = "";
    if (!strcmp(name, "serve")) {
        snprintf(address, sizeof address, "%s", peer);
        serve();
    }
    if (strncmp(name, "manager_", 8) || !strcmp(peer, "limit_socket")) return false;
    if (!strcmp(name, "manager_family_call")) return family_call(), true;
    start_server(peer);
    if (strstr(name, "_clients") && sscanf(name, "manager_%d_clients%19s", &clients, rest) >= 1)
        many_clients(clients, *rest);
    else if (!strcmp(name, "manager_dict_c_client"))
        dict_pairs(connected(), PAIRS);
    else if (!strcmp(name, "manager_queue"))
        queue_pairs(connected());
    else
        entries(connected());
    end_server();
    return true;
}
