/* Finding build-ids and functions in the objects loaded in this process. */
#define _GNU_SOURCE
#include "process/function.h"

#include "base/error.h"
#include "base/fork.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The build-id's bytes within the loaded object, NULL when it was linked without one. */
static const uint8_t *find_build_id(const struct dl_phdr_info *object, uint64_t *size) {
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        if (header->p_type != PT_NOTE) continue;
        const char *at = (const char *)object->dlpi_addr + header->p_vaddr, *end = at + header->p_memsz;
        while (end - at >= (ptrdiff_t)sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note, *descriptor = name + ((note->n_namesz + 3) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
                *size = note->n_descsz;
                return (const uint8_t *)descriptor;
            }
            at = descriptor + ((note->n_descsz + 3) & ~3u);
        }
    }
    return NULL;
}

static int object_holds(const struct dl_phdr_info *object, uintptr_t address) {
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        uintptr_t from = object->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD && address >= from && address - from < header->p_memsz) return 1;
    }
    return 0;
}

/* The loader's own lock is not mended after a fork: a child forked while another thread is in dl_iterate_phdr would wait
 * there forever. */
FORK_MUTEX(functions, looking, NULL)

struct image_search {
    uintptr_t address; /* identify */
    struct function *function;
    const struct function *wanted; /* resolve */
    uintptr_t found;
    prong_status status;
    bool past_program; /* the first object of all is the program */
};

static int function_describe(struct dl_phdr_info *object, size_t unused, void *context) {
    struct image_search *search = context;
    struct function *function = search->function;
    (void)unused;
    bool in_program = !search->past_program;
    search->past_program = true;
    if (!object_holds(object, search->address)) return 0;
    function->place = in_program ? FUNCTION_IN_PROGRAM : FUNCTION_IN_LIBRARY;
    function->offset = search->address - object->dlpi_addr;
    const uint8_t *id = find_build_id(object, &function->build_id_size);
    search->found = 1;
    if (!id && in_program) return 1;
    if (!id || function->build_id_size > BUILD_ID_SIZE) {
        search->status = fail(PRONG_NO_FUNCTION, "%s has no build-id; link it with -Wl,--build-id",
                              object->dlpi_name[0] ? object->dlpi_name : "the program");
        return 1;
    }
    memcpy(function->build_id, id, function->build_id_size);
    if (!in_program) snprintf(function->path, sizeof function->path, "%s", object->dlpi_name);
    return 1;
}

static int function_look(int (*at_object)(struct dl_phdr_info *, size_t, void *), struct image_search *search) {
    pthread_mutex_lock(&looking);
    int found = dl_iterate_phdr(at_object, search);
    pthread_mutex_unlock(&looking);
    return found;
}

static bool function_is_own(any_function *pointer, uint64_t *number) {
    for (*number = 0; *number < OWN_FUNCTIONS; ++*number)
        if (own_functions[*number] == pointer) return true;
    return false;
}

prong_status function_identify(any_function *pointer, struct function *function) {
    struct image_search search = {.address = (uintptr_t)pointer, .function = function};
    uint64_t number;
    memset(function, 0, sizeof *function);
    if (function_is_own(pointer, &number)) {
        function->place = FUNCTION_OF_PRONG;
        function->offset = number;
        return PRONG_OK;
    }
    function_look(function_describe, &search);
    if (!search.found)
        return fail(PRONG_NO_FUNCTION, "no loaded object holds a function at %p", (void *)search.address);
    return search.status;
}

prong_status function_by_name(const char *name, struct function *function) {
    memset(function, 0, sizeof *function);
    if (!name[0] || strlen(name) >= sizeof function->path)
        return fail(PRONG_INVALID, "a function's name has 1 to %zu bytes: '%.60s'", sizeof function->path - 1, name);
    function->place = FUNCTION_BY_NAME;
    strcpy(function->path, name);
    return PRONG_OK;
}

/* --- resolving --- */

static bool in_other_program;

void function_in_other_program(void) {
    in_other_program = true;
}

static int function_find(struct dl_phdr_info *object, size_t unused, void *context) {
    struct image_search *search = context;
    uint64_t size = 0;
    const uint8_t *id = find_build_id(object, &size);
    (void)unused;
    bool is_program = !search->past_program;
    search->past_program = true;
    if (!id) size = 0;
    if (is_program != (search->wanted->place == FUNCTION_IN_PROGRAM) || size != search->wanted->build_id_size) return 0;
    if (size && memcmp(id, search->wanted->build_id, size) != 0) return 0;
    if (!size && (!is_program || in_other_program)) return 0;
    search->found = object->dlpi_addr + search->wanted->offset;
    return object_holds(object, search->found);
}

static prong_status function_resolve_in_object(const struct function *function, any_function **pointer) {
    struct image_search search = {.wanted = function};
    int found = function_look(function_find, &search);
    if (!found && function->path[0] && dlopen(function->path, RTLD_NOW)) {
        search.past_program = false;
        found = function_look(function_find, &search);
    }
    if (found) {
        *pointer = (any_function *)search.found;
        return PRONG_OK;
    }
    char id[9];
    for (int i = 0; i < 4; i++) snprintf(id + 2 * i, 3, "%02x", function->build_id[i]);
    return fail(PRONG_NO_FUNCTION, "function at offset 0x%llx of %s (build-id %s…) is not in the child's image",
                (unsigned long long)function->offset, function->path[0] ? function->path : "the program", id);
}

/* The library stays loaded. */
static prong_status function_resolve_name(const char *name, any_function **pointer) {
    char library[OBJECT_PATH_SIZE];
    const char *colon = strrchr(name, ':');
    if (!colon || !colon[1])
        return fail(PRONG_NO_FUNCTION, "'%s' names no function here: it is not of the form LIBRARY:SYMBOL", name);
    snprintf(library, sizeof library, "%.*s", (int)(colon - name), name);
    void *object = dlopen(library[0] ? library : NULL, RTLD_NOW | RTLD_LOCAL);
    if (!object) return fail(PRONG_NO_FUNCTION, "'%s': %s", name, dlerror());
    *pointer = (any_function *)(uintptr_t)dlsym(object, colon + 1);
    return *pointer ? PRONG_OK : fail(PRONG_NO_FUNCTION, "'%s': %s has no such function", name, library);
}

prong_status function_resolve(const struct function *function, any_function **pointer) {
    if (function->place == FUNCTION_BY_NAME) return function_resolve_name(function->path, pointer);
    if (function->place != FUNCTION_OF_PRONG) return function_resolve_in_object(function, pointer);
    if (function->offset >= OWN_FUNCTIONS) return fail_text(PRONG_NO_FUNCTION, "this prong has no such function");
    *pointer = own_functions[function->offset];
    return PRONG_OK;
}
