/* From here on each atomic operation, and each place where the order of stores matters, is a point at which the explorer
 * may let another thread go on, or kill this one, and a site whose order a test can weaken. uninstrument.h ends it. No include
 * guard: used in turns. */
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
#pragma push_macro("atomic_thread_fence")
#pragma push_macro("__atomic_load_n")
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
#undef atomic_thread_fence
#undef __atomic_load_n

#define MODEL_VALUE(p) __typeof__((void)0, *(p))
#define MODEL_BITS(p, v)                                                                                               \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value = (MODEL_VALUE(p))(v);                                                              \
        uint64_t model_bits = 0;                                                                                       \
        __builtin_memcpy(&model_bits, &model_value, sizeof model_value);                                               \
        model_bits;                                                                                                    \
    })
#define MODEL_FROM_BITS(p, bits)                                                                                       \
    __extension__({                                                                                                    \
        MODEL_VALUE(p) model_value;                                                                                    \
        uint64_t model_bits = (bits);                                                                                  \
        __builtin_memcpy(&model_value, &model_bits, sizeof model_value);                                               \
        model_value;                                                                                                   \
    })
#define MODEL_SITE(name, yes, no)                                                                                      \
    __extension__({                                                                                                    \
        static struct model_site model_site = {__func__, name, __LINE__, yes, no, 0, false};                           \
        static struct model_site *const model_site_listed __attribute__((section("model_sites"), used)) = &model_site; \
        &model_site;                                                                                                   \
    })
#define MODEL_CHANGE(how, name, p, v)                                                                                  \
    MODEL_FROM_BITS(p, model_change(MODEL_SITE(name, memory_order_seq_cst, 0), p, sizeof *(p), how, MODEL_BITS(p, v)))
#define atomic_load_explicit(p, order) MODEL_FROM_BITS(p, model_load(MODEL_SITE("load", order, 0), p, sizeof *(p)))
#define atomic_load(p) atomic_load_explicit(p, memory_order_seq_cst)
#define __atomic_load_n(p, order) atomic_load_explicit(p, order)
#define atomic_store_explicit(p, v, order) model_store(MODEL_SITE("store", order, 0), p, sizeof *(p), MODEL_BITS(p, v))
#define atomic_store(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_exchange(p, v) MODEL_CHANGE(CHANGE_EXCHANGE, "exchange", p, v)
#define atomic_fetch_add(p, v) MODEL_CHANGE(CHANGE_ADD, "fetch_add", p, v)
#define atomic_fetch_sub(p, v) MODEL_CHANGE(CHANGE_SUB, "fetch_sub", p, v)
#define atomic_fetch_or(p, v) MODEL_CHANGE(CHANGE_OR, "fetch_or", p, v)
#define atomic_fetch_and(p, v) MODEL_CHANGE(CHANGE_AND, "fetch_and", p, v)
#define atomic_compare_exchange_strong_explicit(p, expected, v, yes, no)                                               \
    model_compare_exchange(MODEL_SITE("compare_exchange", yes, no), p, sizeof *(p), expected, MODEL_BITS(p, v))
#define atomic_compare_exchange_strong(p, expected, v)                                                                 \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_seq_cst, memory_order_seq_cst)
#define atomic_compare_exchange_weak(p, expected, v) atomic_compare_exchange_strong(p, expected, v)
#define atomic_thread_fence(order) model_fence(MODEL_SITE("fence", order, 0))
#define atomic_signal_fence(order) model_point()
/* What ARM64 makes of it; on x86 it is less, and so are the reorderings. */
#define os_fence_after_atomic() model_fence(MODEL_SITE("fence_after_atomic", memory_order_seq_cst, 0))
