/* The usual classes: data and exceptions of Python's standard library, and what multiprocessing sends. None of them does
 * anything when made but hold what it was given. */
#include "value/classes.h"

#include "base/error.h"
#include "value/number.h"
#include "value/pickle_format.h"
#include "value/text.h"
#include <string.h>

/* A module's names, each with a blank on both sides. */
static const struct {
    const char *module, *names;
} usual[] = {
    {PICKLE_BUILTINS,
     " set frozenset bytearray bytes complex range slice list dict tuple int float str bool object type Ellipsis "
     "NotImplemented "
     "BaseException Exception BaseExceptionGroup ExceptionGroup GeneratorExit KeyboardInterrupt SystemExit "
     "StopIteration "
     "StopAsyncIteration ArithmeticError FloatingPointError OverflowError ZeroDivisionError AssertionError "
     "AttributeError "
     "BufferError EOFError ImportError ModuleNotFoundError LookupError IndexError KeyError MemoryError NameError "
     "UnboundLocalError OSError IOError EnvironmentError BlockingIOError ChildProcessError ConnectionError "
     "BrokenPipeError ConnectionAbortedError ConnectionRefusedError ConnectionResetError FileExistsError "
     "FileNotFoundError InterruptedError IsADirectoryError NotADirectoryError PermissionError ProcessLookupError "
     "TimeoutError ReferenceError RuntimeError NotImplementedError RecursionError PythonFinalizationError SyntaxError "
     "IndentationError TabError SystemError TypeError ValueError UnicodeError UnicodeDecodeError UnicodeEncodeError "
     "UnicodeTranslateError Warning BytesWarning DeprecationWarning EncodingWarning FutureWarning ImportWarning "
     "PendingDeprecationWarning ResourceWarning RuntimeWarning SyntaxWarning UnicodeWarning UserWarning "},
    {PICKLE_CODECS, " " PICKLE_ENCODE " "},
    {PICKLE_COPYREG, " " PICKLE_NEWOBJ " " PICKLE_NEWOBJ_EX " "},
    {"collections", " OrderedDict deque defaultdict Counter "},
    {"datetime", " datetime date time timedelta timezone "},
    {"decimal", " Decimal "},
    {"fractions", " Fraction "},
    {"uuid", " UUID SafeUUID "},
    {"array", " array _array_reconstructor "},
    {"types", " SimpleNamespace "},
    {"queue", " Empty Full ShutDown "},
    {"_queue", " Empty "},
    {"threading", " BrokenBarrierError "},
    {"multiprocessing.context", " ProcessError BufferTooShort TimeoutError AuthenticationError "},
    {"multiprocessing.managers",
     " Token Namespace Value RemoteError RebuildProxy AutoProxy BaseProxy ListProxy DictProxy SetProxy NamespaceProxy "
     "AcquirerProxy ConditionProxy EventProxy BarrierProxy ValueProxy ArrayProxy IteratorProxy PoolProxy "
     "_BaseDictProxy _BaseSetProxy BaseListProxy "},
    {"multiprocessing.pool", " rebuild_exc MaybeEncodingError ExceptionWithTraceback "},
    {PICKLE_PRONG, " " PICKLE_HANDLE " "}, /* and what Python restores the object of a handle with */
    {"prong.queues", " _restore Queue JoinableQueue SimpleQueue "},
    {"prong.synchronize", " _restore _restore_condition _restore_event _restore_barrier "
                          "Lock RLock Semaphore BoundedSemaphore Condition Event Barrier "},
    {"prong._core", " _connect "},
};

static bool class_names_have(const char *names, const char *name) {
    size_t size = strlen(name);
    for (const char *at = strstr(names, name); size && at; at = strstr(at + 1, name))
        if (at[-1] == ' ' && at[size] == ' ') return true;
    return false;
}

bool class_is_usual(const char *module, const char *name) {
    if (strchr(name, ' ')) return false;
    for (size_t i = 0; i < sizeof(usual) / sizeof(*usual); i++)
        if (!strcmp(usual[i].module, module)) return class_names_have(usual[i].names, name);
    return false;
}

const struct prong_class *class_registered(const prong_unpickle_options *options, const char *module,
                                           const char *name) {
    for (size_t i = 0; options && i < options->class_count; i++) {
        const struct prong_class *class = &options->classes[i];
        if (!strcmp(class->module, module) && (!strcmp(class->name, "*") || !strcmp(class->name, name))) return class;
    }
    return NULL;
}

/* Python 2's name first; NULL as a name: all of the module. */
static const struct {
    const char *old_module, *old_name, *module, *name;
} renamed[] = {
    {"__builtin__", "xrange", "builtins", "range"},
    {"__builtin__", "unicode", "builtins", "str"},
    {"__builtin__", "long", "builtins", "int"},
    {"__builtin__", NULL, "builtins", NULL},
    {"exceptions", NULL, "builtins", NULL},
    {"copy_reg", NULL, "copyreg", NULL},
    {"Queue", NULL, "queue", NULL},
    {"multiprocessing", NULL, "multiprocessing.context", NULL},
    {"UserDict", "UserDict", "collections", "UserDict"},
};
enum { RENAMED = sizeof(renamed) / sizeof(*renamed) };

void class_modernize(const char **module, const char **name) {
    for (size_t i = 0; i < RENAMED; i++) {
        if (strcmp(renamed[i].old_module, *module)) continue;
        if (renamed[i].old_name && strcmp(renamed[i].old_name, *name)) continue;
        *module = renamed[i].module;
        if (renamed[i].name) *name = renamed[i].name;
        return;
    }
}

/* Data only: Python 3 reads what else is in builtins under that name in every protocol, and Python 2 has not all of it. */
static void class_rename_old(const char **module, const char **name) {
    if (!strcmp(*module, "copyreg")) *module = "copy_reg";
    if (strcmp(*module, "builtins")) return;
    if (!strcmp(*name, "range"))
        *name = "xrange";
    else if (!class_names_have(" set frozenset bytearray bytes complex ", *name))
        return;
    *module = "__builtin__";
}

prong_status class_antiquate(const char **module, const char **name) {
    const char *read_module, *read_name, *own_module = *module, *own_name = *name;
    class_rename_old(module, name);
    read_module = *module;
    read_name = *name;
    class_modernize(&read_module, &read_name);
    if (!strcmp(read_module, own_module) && !strcmp(read_name, own_name)) return PRONG_OK;
    return fail(PRONG_INVALID, "pickle: %s.%s would be read as %s.%s: it needs protocol 3 or later", own_module,
                own_name, read_module, read_name);
}

/* --- calls that are values --- */

static prong_status call_bad_arguments(prong_value class) {
    return fail(PRONG_INVALID, "%s.%s is not made from such arguments",
                (const char *)value_class(class)->module.pointer, (const char *)value_class(class)->name.pointer);
}

/* Characters up to 255, each a byte. */
static prong_status call_latin1(prong_document *document, prong_value text, prong_value *bytes) {
    prong_status status = make_text(document, PRONG_KIND_BYTES, text.pointer, value_size(text), bytes);
    if (status < 0) return status;
    char *out = (char *)(uintptr_t)bytes->pointer, *from = out;
    for (const char *at = text.pointer, *end = at + value_size(text); at < end;) {
        uint32_t c = utf8_get(&at);
        if (c > 0xff) return fail_text(PRONG_INVALID, "text that stands for bytes has a character above 255");
        *out++ = (char)c;
    }
    *out = 0;
    *bytes = value_of_kind(PRONG_KIND_BYTES, (size_t)(out - from), from);
    return PRONG_OK;
}

static bool call_is_latin1(prong_value name) {
    static const char *const names[] = {"latin1", "latin-1", "iso-8859-1"};
    for (size_t i = 0; i < 3; i++)
        if (value_kind(name) == PRONG_KIND_STR && !strcmp(name.pointer, names[i])) return true;
    return false;
}

static prong_status call_takes_too_long(void) {
    return fail_text(PRONG_TOO_LONG, "a call takes too long");
}

static prong_status call_set(prong_document *document, prong_value class, prong_kind kind, const prong_value *items,
                             size_t count, prong_value *value) {
    if (count == 0) return make_table(document, kind, value);
    prong_value from = items[0];
    if (count != 1 || !(kind_is_sequence(value_kind(from)) || value_kind(from) == PRONG_KIND_SET ||
                        value_kind(from) == PRONG_KIND_FROZENSET))
        return call_bad_arguments(class);
    prong_status status = make_table(document, kind, value);
    size_t at = 0;
    for (prong_value item; status >= 0 && prong_value_next(from, &at, NULL, &item);)
        status = value_work_add(1) ? table_put(document, *value, item, prong_make_null()) : call_takes_too_long();
    return status;
}

static prong_status call_list(prong_document *document, prong_value class, const prong_value *items, size_t count,
                              prong_value *value) {
    if (count == 0) return make_list(document, NULL, 0, value);
    if (count != 1 || !kind_is_sequence(value_kind(items[0]))) return call_bad_arguments(class);
    size_t size;
    const prong_value *from = value_items(items[0], &size);
    if (!value_work_add(value_work_of_copying(size * sizeof(*from)))) return call_takes_too_long();
    return make_list(document, from, size, value);
}

static bool call_has_text(prong_value value) {
    return value_kind(value) == PRONG_KIND_STR || value_kind(value) == PRONG_KIND_BYTES;
}

static prong_status call_bytes(prong_document *document, prong_value class, bool array, const prong_value *items,
                               size_t count, prong_value *value) {
    prong_value bytes;
    prong_status status = PRONG_OK;
    if (count && call_has_text(items[0]) && !value_work_add(value_work_of_hashing(value_size(items[0]))))
        return call_takes_too_long();
    if (count == 0)
        status = make_text(document, PRONG_KIND_BYTES, NULL, 0, &bytes);
    else if (count == 1 && value_kind(items[0]) == PRONG_KIND_BYTES)
        bytes = items[0];
    else if (count == 2 && value_kind(items[0]) == PRONG_KIND_STR && call_is_latin1(items[1]))
        status = call_latin1(document, items[0], &bytes);
    else
        return call_bad_arguments(class);
    if (status < 0) return status;
    *value = bytes;
    return array ? make_bytearray(document, bytes.pointer, value_size(bytes), value) : PRONG_OK;
}

static prong_status call_complex(prong_document *document, prong_value class, const prong_value *items, size_t count,
                                 prong_value *value) {
    if (count != 2 || value_kind(items[0]) != PRONG_KIND_FLOAT || value_kind(items[1]) != PRONG_KIND_FLOAT)
        return call_bad_arguments(class);
    return make_complex(document, items[0].real, items[1].real, value);
}

static prong_status call_handle(prong_document *document, prong_value class, const prong_value *items, size_t count,
                                prong_value *value) {
    uint64_t offset, generation;
    const char *type = count >= 3 && value_kind(items[0]) == PRONG_KIND_STR
                           ? handle_type(items[0].pointer, value_size(items[0]))
                           : NULL;
    if (!type || to_uint(items[1], &offset) < 0 || to_uint(items[2], &generation) < 0) return call_bad_arguments(class);
    return make_handle(document, type, offset, generation, value);
}

static prong_status call_range(prong_document *document, prong_value class, const prong_value *items, size_t count,
                               prong_value *value) {
    if (count != 2 && count != 3) return call_bad_arguments(class);
    return make_range(document, items[0], items[1], count == 3 ? items[2] : prong_make_int(1), value);
}

/* copyreg's stand-ins for NEWOBJ and NEWOBJ_EX: the class is the first argument. */
static prong_status call_new(prong_document *document, prong_value class, bool keywords, const prong_value *items,
                             size_t count, prong_value *value) {
    prong_value arguments;
    if (count < 1 || value_kind(items[0]) != PRONG_KIND_CLASS) return call_bad_arguments(class);
    if (keywords && (count != 3 || value_kind(items[1]) != PRONG_KIND_TUPLE || value_kind(items[2]) != PRONG_KIND_DICT))
        return call_bad_arguments(class);
    prong_status status = PRONG_OK;
    if (!value_work_add(value_work_of_copying(count * sizeof(*items)))) return call_takes_too_long();
    if (keywords)
        arguments = items[1];
    else
        status = make_tuple(document, items + 1, count - 1, &arguments);
    if (status >= 0) status = make_object(document, items[0], arguments, true, value);
    if (status >= 0 && keywords) value_object(*value)->keywords = items[2];
    return status;
}

prong_status class_call(prong_document *document, prong_value class, prong_value arguments, bool *native,
                        prong_value *value) {
    const char *module = value_class(class)->module.pointer, *name = value_class(class)->name.pointer;
    size_t count;
    const prong_value *items = value_items(arguments, &count);
    *native = true;
    if (!strcmp(module, PICKLE_CODECS)) {
        if (count != 2) return call_bad_arguments(class);
        return call_bytes(document, class, false, items, count, value);
    }
    if (!strcmp(module, PICKLE_COPYREG)) {
        if (!strcmp(name, PICKLE_NEWOBJ)) return call_new(document, class, false, items, count, value);
        if (!strcmp(name, PICKLE_NEWOBJ_EX)) return call_new(document, class, true, items, count, value);
    }
    if (!strcmp(module, PICKLE_PRONG)) return call_handle(document, class, items, count, value);
    if (!strcmp(module, PICKLE_BUILTINS)) {
        if (!strcmp(name, PICKLE_SET)) return call_set(document, class, PRONG_KIND_SET, items, count, value);
        if (!strcmp(name, PICKLE_FROZENSET))
            return call_set(document, class, PRONG_KIND_FROZENSET, items, count, value);
        if (!strcmp(name, PICKLE_LIST)) return call_list(document, class, items, count, value);
        if (!strcmp(name, PICKLE_BYTES)) return call_bytes(document, class, false, items, count, value);
        if (!strcmp(name, PICKLE_BYTEARRAY)) return call_bytes(document, class, true, items, count, value);
        if (!strcmp(name, PICKLE_COMPLEX)) return call_complex(document, class, items, count, value);
        if (!strcmp(name, PICKLE_RANGE)) return call_range(document, class, items, count, value);
    }
    *native = false;
    return PRONG_OK;
}

const prong_unpickle_options ANY_CLASS = {.any_class = true};
