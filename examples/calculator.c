/* A child that calculates, over a duplex Pipe. It ends at end-of-file, which comes although no process closes anything:
 * the parent's end closes when the parent exits. */
#include "example.h"

struct task {
    double a, b;
    char operator;
};

static double calculate(const struct task *task) {
    switch (task->operator) {
    case '+': return task->a + task->b;
    case '-': return task->a - task->b;
    case '*': return task->a * task->b;
    default: return task->a / task->b;
    }
}

static int serve(void *argument, size_t size) {
    prong_connection connection = *(prong_connection *)argument;
    struct task task;
    prong_status status;
    (void)size;
    while ((status = prong_connection_recv_bytes_into(connection, &task, sizeof task, NULL, PRONG_FOREVER)) >= 0) {
        double result = calculate(&task);
        must(prong_connection_send_bytes(connection, &result, sizeof result, PRONG_FOREVER));
    }
    printf("calculator: %s\n", prong_status_name(status));
    return 0;
}

int main(int argc, char **argv) {
    prong_connection ours, theirs;
    const struct task tasks[] = {{1, 2, '+'}, {7, 3.5, '*'}, {1, 8, '/'}, {5, 9, '-'}};
    example_begin(argc, argv);
    must(prong_pipe_create(&ours, &theirs, NULL));
    example_start(serve, &theirs, sizeof theirs);
    for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++) {
        double result;
        must(prong_connection_send_bytes(ours, &tasks[i], sizeof tasks[i], PRONG_SECONDS(10)));
        must(prong_connection_recv_bytes_into(ours, &result, sizeof result, NULL, PRONG_SECONDS(10)));
        printf("%g %c %g = %g\n", tasks[i].a, tasks[i].operator, tasks[i].b, result);
    }
}
