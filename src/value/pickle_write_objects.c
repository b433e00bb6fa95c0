/* Writing pickles: classes and objects, and kinds that are written as a call. */
#include "value/classes.h"
#include "value/pickle_writer.h"

prong_status save_class(struct writer *w, const char *module, const char *name) {
    if (w->protocol >= 4) {
        TRY(save_text(w, &w->texts, module, strlen(module)));
        TRY(save_text(w, &w->texts, name, strlen(name)));
        return writer_byte(w, OP_STACK_GLOBAL);
    }
    if (w->protocol < 3) TRY(class_antiquate(&module, &name));
    if (strchr(module, '\n') || strchr(name, '\n'))
        return fail_text(PRONG_INVALID, "pickle: a class's name has a line end");
    TRY(writer_line(w, OP_GLOBAL, module, strlen(module)));
    TRY(writer_room(w, strlen(name) + 1));
    writer_put_raw(w, name, strlen(name));
    writer_put_byte(w, '\n');
    return PRONG_OK;
}

prong_status save_call(struct writer *w, const char *module, const char *name, const prong_value *items, size_t count,
                       unsigned depth) {
    TRY(save_class(w, module, name));
    if (writer_needs_mark(w, count)) TRY(writer_byte(w, OP_MARK));
    for (size_t i = 0; i < count; i++) TRY(save_value(w, items[i], depth));
    TRY(writer_tuple(w, count));
    return writer_byte(w, OP_REDUCE);
}

static prong_status save_class_node(struct writer *w, const struct class_node *class) {
    struct node *node = (struct node *)(uintptr_t) class;
    if (writer_has_met(w, node)) return writer_get(w, node->index);
    TRY(save_class(w, class->module.pointer, class->name.pointer));
    return writer_memoize(w, node);
}

/* By class.__new__. Protocols that have no opcode for it call copyreg's functions, which do it. */
static prong_status write_new(struct writer *w, const struct object_node *object, unsigned depth) {
    bool keywords = value_kind(object->keywords) != PRONG_KIND_NULL;
    prong_value class = value_of_kind(PRONG_KIND_CLASS, 0, object->class);
    if (w->protocol >= (keywords ? 4 : 2)) {
        TRY(save_class_node(w, object->class));
        TRY(save_value(w, object->arguments, depth));
        if (keywords) TRY(save_value(w, object->keywords, depth));
        return writer_byte(w, keywords ? OP_NEWOBJ_EX : OP_NEWOBJ);
    }
    if (keywords) {
        prong_value items[] = {class, object->arguments, object->keywords};
        return save_call(w, PICKLE_COPYREG, PICKLE_NEWOBJ_EX, items, 3, depth);
    }
    size_t count;
    const prong_value *items = value_items(object->arguments, &count);
    TRY(save_class(w, PICKLE_COPYREG, PICKLE_NEWOBJ));
    TRY(writer_byte(w, OP_MARK));
    TRY(save_value(w, class, depth));
    for (size_t i = 0; i < count; i++) TRY(save_value(w, items[i], depth));
    TRY(writer_byte(w, OP_TUPLE));
    return writer_byte(w, OP_REDUCE);
}

static prong_status write_made(struct writer *w, const struct object_node *object, unsigned depth) {
    if (object->by_new) return write_new(w, object, depth);
    if (value_kind(object->keywords) != PRONG_KIND_NULL)
        return fail(PRONG_INVALID, "pickle: %s is called with keywords, which only objects made by __new__ can have",
                    (const char *)object->class->name.pointer);
    TRY(save_class_node(w, object->class));
    TRY(save_value(w, object->arguments, depth));
    return writer_byte(w, OP_REDUCE);
}

prong_status save_object(struct writer *w, prong_value value, unsigned depth) {
    const struct object_node *object = value_object(value);
    TRY(write_made(w, object, depth));
    if (writer_has_met(w, node_of(value))) { /* its arguments refer to it */
        TRY(writer_byte(w, OP_POP));
        return writer_get(w, node_of(value)->index);
    }
    TRY(writer_memoize(w, node_of(value)));
    if (value_kind(object->items) == PRONG_KIND_LIST)
        TRY(write_appends(w, value_list(object->items)->items, value_list(object->items)->count, depth));
    if (value_kind(object->pairs) == PRONG_KIND_DICT) TRY(write_setitems(w, value_table(object->pairs), depth));
    if (!object->has_state) return PRONG_OK;
    TRY(save_value(w, object->state, depth));
    return writer_byte(w, OP_BUILD);
}

/* An int that may need all 64 bits and no sign. */
static prong_value uint_value(uint64_t number, unsigned char room[9]) {
    if (number <= INT64_MAX) return prong_make_int((int64_t)number);
    memcpy(room, &number, 8);
    room[8] = 0;
    return value_of_kind(PRONG_KIND_INT, 9, room);
}

prong_status save_named(struct writer *w, prong_value value, unsigned depth) {
    switch (value_kind(value)) {
    case PRONG_KIND_COMPLEX: {
        const struct complex_node *complex = value.pointer;
        prong_value items[] = {prong_make_float(complex->real), prong_make_float(complex->imaginary)};
        TRY(save_call(w, PICKLE_BUILTINS, PICKLE_COMPLEX, items, 2, depth));
        return writer_memoize(w, node_of(value));
    }
    case PRONG_KIND_RANGE: {
        const struct range_node *range = value.pointer;
        TRY(save_call(w, PICKLE_BUILTINS, PICKLE_RANGE, &range->start, 3, depth));
        return writer_memoize(w, node_of(value));
    }
    case PRONG_KIND_HANDLE: {
        const struct handle_node *handle = value.pointer;
        unsigned char room[2][9];
        prong_value items[] = {value_of_kind(PRONG_KIND_STR, strlen(handle->type), handle->type),
                               uint_value(handle->offset, room[0]), uint_value(handle->generation, room[1])};
        TRY(save_call(w, PICKLE_PRONG, PICKLE_HANDLE, items, 3, depth));
        return writer_memoize(w, node_of(value));
    }
    case PRONG_KIND_ELLIPSIS: return save_class(w, PICKLE_BUILTINS, PICKLE_ELLIPSIS);
    case PRONG_KIND_NOT_IMPLEMENTED: return save_class(w, PICKLE_BUILTINS, PICKLE_NOT_IMPLEMENTED);
    case PRONG_KIND_CLASS: return save_class_node(w, value_class(value));
    default: return fail(PRONG_INVALID, "pickle: a value of no kind (%d)", (int)value_kind(value));
    }
}
