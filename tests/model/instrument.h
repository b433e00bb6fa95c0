/* From here on each atomic operation, and each place where the order of stores matters, is a point at which the explorer
 * may let another thread go on, or kill this one. uninstrument.h ends it. No include guard: used in turns. */
#pragma push_macro("atomic_load")
#pragma push_macro("atomic_load_explicit")
#pragma push_macro("atomic_store")
#pragma push_macro("atomic_store_explicit")
#pragma push_macro("atomic_exchange")
#pragma push_macro("atomic_fetch_add")
#pragma push_macro("atomic_fetch_sub")
#pragma push_macro("atomic_fetch_or")
#pragma push_macro("atomic_fetch_and")
#pragma push_macro("atomic_compare_exchange_strong")
#pragma push_macro("atomic_compare_exchange_weak")
#pragma push_macro("atomic_compare_exchange_strong_explicit")
#pragma push_macro("atomic_signal_fence")
#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_strong_explicit
#undef atomic_signal_fence

#define MODEL_VALUE(p) __typeof__((void)0, *(p))
#define atomic_load(p)                                                                                                 \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value;                                                                                    \
        model_point();                                                                                                 \
        __atomic_load(p, &model_value, __ATOMIC_SEQ_CST);                                                              \
        model_value;                                                                                                   \
    })
#define atomic_load_explicit(p, order) atomic_load(p)
#define atomic_store(p, v)                                                                                             \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value = (v);                                                                              \
        model_point();                                                                                                 \
        __atomic_store(p, &model_value, __ATOMIC_SEQ_CST);                                                             \
    })
#define atomic_store_explicit(p, v, order) atomic_store(p, v)
#define atomic_exchange(p, v)                                                                                          \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value = (v), model_was;                                                                   \
        model_point();                                                                                                 \
        __atomic_exchange(p, &model_value, &model_was, __ATOMIC_SEQ_CST);                                              \
        model_was;                                                                                                     \
    })
#define MODEL_FETCH(operation, p, v)                                                                                   \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value = (MODEL_VALUE(p))(v);                                                              \
        model_point();                                                                                                 \
        __atomic_fetch_##operation(p, model_value, __ATOMIC_SEQ_CST);                                                  \
    })
#define atomic_fetch_add(p, v) MODEL_FETCH(add, p, v)
#define atomic_fetch_sub(p, v) MODEL_FETCH(sub, p, v)
#define atomic_fetch_or(p, v) MODEL_FETCH(or, p, v)
#define atomic_fetch_and(p, v) MODEL_FETCH(and, p, v)
#define atomic_compare_exchange_strong(p, expected, v)                                                                 \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value = (v);                                                                              \
        model_point();                                                                                                 \
        __atomic_compare_exchange(p, expected, &model_value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                   \
    })
#define atomic_compare_exchange_weak(p, expected, v) atomic_compare_exchange_strong(p, expected, v)
#define atomic_compare_exchange_strong_explicit(p, expected, v, yes, no) atomic_compare_exchange_strong(p, expected, v)
#define atomic_signal_fence(order) model_point()
