/* A C program whose workers are Python: it calls Python's functions by name, with values.
 *
 *     python_workers [PYTHON]        the package prong must be where that Python finds it */
#include <prong/prong.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(prong_status status) {
    if (status >= 0) return;
    fprintf(stderr, "python_workers: %s\n", prong_error_message());
    exit(1);
}

int main(int argc, char **argv) {
    prong_main(&argc, &argv);
    char python[] = "python3", option[] = "-m", module[] = "prong.worker";
    char *const program[] = {argc > 1 ? argv[1] : python, option, module, NULL};
    prong_document *document;
    prong_pool pool;
    prong_value lists, medians;
    char text[200];
    must(prong_document_open(&document, NULL));
    must(prong_pool_create(&pool, &(prong_pool_options){.processes = 2, .program = program}));

    must(prong_build(document, &lists, "[[i,i,i],[d,d],[i]]", 3, 1, 2, 0.5, 1.0, 7));
    prong_work median = {.name = "statistics:median",
                         .form = PRONG_FORM_VALUES,
                         .values = lists,
                         .each = PRONG_EACH,
                         .document = document,
                         .result = &medians};
    must(prong_pool_run(pool, &median, NULL, PRONG_SECONDS(60)));
    must(prong_value_repr(medians, text, sizeof text, NULL));
    printf("medians: %s\n", text);

    prong_value arguments, result;
    must(prong_build(document, &arguments, "([])"));
    prong_work of_nothing = {.name = "statistics:median",
                             .form = PRONG_FORM_VALUES,
                             .values = arguments,
                             .document = document,
                             .result = &result};
    prong_status status = prong_pool_run(pool, &of_nothing, NULL, PRONG_SECONDS(60));
    /* what was raised is the first line, then comes where */
    printf("of nothing: %.*s\n", (int)strcspn(prong_error_message(), "\n"), status ? prong_error_message() : "?");
    must(prong_pool_destroy(pool));
    prong_document_close(document);
}
