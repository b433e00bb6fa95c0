/* Reading pickles: classes by name, and objects as what they are made from. Nothing that a pickle names is called. */
#include "value/classes.h"
#include "value/pickle_reader.h"
#include "value/text.h"

static prong_status read_class(struct reader *r, const char *module, const char *name) {
    prong_value value;
    if (!*module || !*name) return malformed("a class without a name");
    if (!value_work_add(value_work_of_hashing(strlen(module) + strlen(name)))) return reader_too_much_work();
    if (r->protocol < 3) class_modernize(&module, &name);
    if (!strcmp(module, PICKLE_BUILTINS)) {
        if (!strcmp(name, PICKLE_ELLIPSIS)) return reader_push(r, prong_make_ellipsis());
        if (!strcmp(name, PICKLE_NOT_IMPLEMENTED))
            return reader_push(r, value_of_kind(PRONG_KIND_NOT_IMPLEMENTED, 0, NULL));
    }
    bool any = r->options && r->options->any_class;
    if (!class_is_usual(module, name) && !class_registered(r->options, module, name) && !any)
        return fail(PRONG_PERMISSION, "%.100s.%.100s is not on the list of what may be read", module, name);
    TRY(make_class_named(r->document, module, name, &value));
    return reader_push(r, value);
}

/* A line as a terminated string that is text. */
static prong_status read_class_name(struct reader *r, const char **name) {
    const char *line;
    size_t size;
    prong_value value;
    TRY(reader_take_line(r, &line, &size));
    if (!utf8_valid(line, size, NULL) || memchr(line, 0, size)) return malformed("a class's name that is no text");
    TRY(make_text(r->document, PRONG_KIND_STR, line, size, &value));
    *name = value.pointer;
    return PRONG_OK;
}

prong_status read_global(struct reader *r) {
    const char *module, *name;
    TRY(read_class_name(r, &module));
    TRY(read_class_name(r, &name));
    return read_class(r, module, name);
}

prong_status read_stack_global(struct reader *r) {
    TRY(reader_has(r, 2));
    r->count -= 2;
    const prong_value *names = r->stack + r->count;
    for (int i = 0; i < 2; i++)
        if (value_kind(names[i]) != PRONG_KIND_STR || strlen(names[i].pointer) != value_size(names[i]))
            return malformed("a class's module and name must be str");
    return read_class(r, names[0].pointer, names[1].pointer);
}

/* Asks the program's own function, if it has given one, for the value in place of an object. */
static prong_status reader_build_own_object(struct reader *r, prong_value object, prong_value *value) {
    prong_object view;
    prong_get_object(object, &view);
    const prong_class *class = class_registered(r->options, view.module, view.name);
    *value = object;
    if (!class || !class->build) return PRONG_OK;
    if (r->own_count == r->own_capacity) TRY(reader_grow(&r->own, &r->own_capacity, sizeof(*r->own), NULL, 8));
    TRY(class->build(r->document, &view, value, class->context));
    r->own[r->own_count++] = (struct own_object){*value, object, class};
    return PRONG_OK;
}

/* The state of what a function of the program has made goes to that function. */
static prong_status reader_give_own_state(struct reader *r, prong_value target, prong_value state) {
    for (size_t i = r->own_count; i-- > 0;) {
        struct own_object *own = &r->own[i];
        if (i % 16 == 0 && !value_work_add(1)) return reader_too_much_work();
        if (own->value.head != target.head || own->value.pointer != target.pointer) continue;
        prong_object view;
        prong_get_object(own->object, &view);
        view.has_state = true;
        view.state = state;
        return own->class->build(r->document, &view, &own->value, own->class->context);
    }
    return expected("an object to give a state to", target);
}

static prong_status reader_make_called(struct reader *r, prong_value class, prong_value arguments, prong_value keywords,
                                       bool by_new, prong_value *value) {
    bool done = false;
    if (value_kind(class) != PRONG_KIND_CLASS) return malformed("what is called is no class");
    if (value_kind(arguments) != PRONG_KIND_TUPLE) return malformed("the arguments of a call are no tuple");
    if (!by_new) TRY(class_call(r->document, class, arguments, &done, value));
    if (!done) {
        TRY(make_object(r->document, class, arguments, by_new, value));
        value_object(*value)->keywords = keywords;
        TRY(reader_build_own_object(r, *value, value));
    }
    TRY(reader_check_steps(r));
    return reader_check_depth(r, *value);
}

prong_status read_call(struct reader *r, bool by_new) {
    TRY(reader_has(r, 2));
    r->count--;
    prong_value value;
    TRY(reader_make_called(r, *reader_top(r), reader_top(r)[1], prong_make_null(), by_new, &value));
    *reader_top(r) = value;
    return PRONG_OK;
}

prong_status read_call_keywords(struct reader *r) {
    TRY(reader_has(r, 3));
    prong_value *from = reader_top(r) - 2, value;
    if (value_kind(from[2]) != PRONG_KIND_DICT) return malformed("the keywords of a call are no dict");
    size_t at = 0;
    for (prong_value key; prong_value_next(from[2], &at, &key, NULL);)
        if (value_kind(key) != PRONG_KIND_STR) return malformed("a keyword that is no str");
    prong_value keywords = prong_value_size(from[2]) ? from[2] : prong_make_null();
    TRY(reader_make_called(r, from[0], from[1], keywords, true, &value));
    r->count -= 2;
    *reader_top(r) = value;
    return PRONG_OK;
}

/* OBJ: the class is the first above the MARK; INST: it is named in the opcode. Both call it with what else is there. */
prong_status read_call_marked(struct reader *r, bool named) {
    const prong_value *items;
    size_t count;
    prong_value class, arguments, value;
    if (named) {
        TRY(read_global(r));
        class = r->stack[--r->count];
        TRY(reader_close_mark(r, &items, &count));
    } else {
        TRY(reader_close_mark(r, &items, &count));
        if (!count) return reader_underflow(r);
        class = *items++;
        count--;
    }
    TRY(make_tuple(r->document, items, count, &arguments));
    TRY(reader_make_called(r, class, arguments, prong_make_null(), false, &value));
    return reader_push(r, value);
}

prong_status read_state(struct reader *r) {
    TRY(reader_has(r, 2));
    prong_value state = r->stack[--r->count], *target = reader_top(r);
    if (value_kind(*target) != PRONG_KIND_OBJECT) return reader_give_own_state(r, *target, state);
    struct object_node *object = value_object(*target);
    if (object->has_state) return malformed("an object gets its state twice");
    object->has_state = true;
    object->state = state;
    if (height_of(state) >= object->node.height) object->node.height = height_of(state) + 1;
    return reader_check_depth(r, *target);
}
