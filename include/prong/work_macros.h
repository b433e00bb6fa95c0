/* Works without sizes: pointers to temporaries, for use in a call.
 *
 * PRONG_MAP(function, inputs, outputs): a prong_element or prong_range over two
 * arrays of fixed length. It does not compile where one of them is a pointer,
 * or where they differ in their number of elements. PRONG_MAP_N(function,
 * inputs, outputs, number): the same for typed pointers to `number` elements
 * each. PRONG_TASK(function, argument): a prong_task for one argument, the
 * variable itself, not a pointer to it. PRONG_APPLY(function, argument,
 * output): the same, and the variable for its result.
 *
 * C11 or C++11 with gcc's or clang's extensions. */
#ifndef PRONG_WORK_MACROS_H
#define PRONG_WORK_MACROS_H
// clang-format off

#include <prong/work.h>

#if defined __cplusplus
struct prong_temporary_work {
    prong_work work;
    operator const prong_work *() const {
        return &work;
    }
};
inline void prong_work_set(prong_work *work, prong_element *function) {
    work->element = function;
}
inline void prong_work_set(prong_work *work, prong_range *function) {
    work->range = function;
}
template <typename Function, typename In, typename Out>
prong_temporary_work prong_work_map(Function function, const In *in, Out *out,
                                    size_t count) {
    prong_temporary_work made = prong_temporary_work();
    prong_work_set(&made.work, function);
    made.work.in = in;
    made.work.in_size = sizeof *in;
    made.work.count = count;
    made.work.out = out;
    made.work.out_size = sizeof *out;
    return made;
}
template <typename Function, typename In, typename Out, size_t N>
prong_temporary_work prong_work_map_arrays(Function function, const In (&in)[N],
                                           Out (&out)[N]) {
    return prong_work_map(function, &in[0], &out[0], N);
}
template <typename In>
prong_temporary_work prong_work_task(prong_task *task, const In &argument) {
    prong_temporary_work made = prong_temporary_work();
    made.work.task = task;
    made.work.in = &argument;
    made.work.in_size = sizeof argument;
    made.work.count = 1;
    return made;
}
template <typename In, typename Out>
prong_temporary_work prong_work_apply(prong_task *task, const In &argument,
                                      Out &output) {
    prong_temporary_work made = prong_work_task(task, argument);
    made.work.out = &output;
    made.work.out_size = sizeof output;
    return made;
}
#define PRONG_MAP(function, inputs, outputs)                                   \
    prong_work_map_arrays(function, inputs, outputs)
#define PRONG_MAP_N(function, inputs, outputs, number)                         \
    prong_work_map(function, inputs, outputs, number)
#define PRONG_TASK(function, argument) prong_work_task(function, argument)
#define PRONG_APPLY(function, argument, output)                                \
    prong_work_apply(function, argument, output)
#elif __STDC_VERSION__ >= 201112L
#define PRONG_WORK_CHECK(condition, text)                                      \
    (0 * sizeof(struct {                                                       \
         _Static_assert(condition, text);                                      \
         char none;                                                            \
     }))
#define PRONG_IS_ARRAY(array)                                                  \
    !__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0]))
#define PRONG_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define PRONG_MAP(function, inputs, outputs)                                   \
    PRONG_MAP_N(                                                               \
        function, inputs, outputs,                                             \
        PRONG_LENGTH(inputs) +                                                 \
            PRONG_WORK_CHECK(PRONG_IS_ARRAY(inputs) &&                         \
                                 PRONG_IS_ARRAY(outputs),                      \
                             "PRONG_MAP takes arrays, not pointers") +         \
            PRONG_WORK_CHECK(PRONG_LENGTH(inputs) == PRONG_LENGTH(outputs),    \
                             "PRONG_MAP's arrays differ in length"))
#define PRONG_MAP_N(function, inputs, outputs, number)                         \
    (&(const prong_work){                                                      \
        .element = _Generic((function), prong_element *: (function),           \
                                        prong_range *: (prong_element *)0),    \
        .range = _Generic((function), prong_range *: (function),               \
                                      prong_element *: (prong_range *)0),      \
        .in = (inputs), .in_size = sizeof *(inputs), .count = (number),        \
        .out = (outputs), .out_size = sizeof *(outputs)})
#define PRONG_TASK(function, argument)                                         \
    (&(const prong_work){.task = (function),                                   \
                         .in = &(argument),                                    \
                         .in_size = sizeof(argument),                          \
                         .count = 1})
#define PRONG_APPLY(function, argument, output)                                \
    (&(const prong_work){.task = (function),                                   \
                         .in = &(argument),                                    \
                         .in_size = sizeof(argument),                          \
                         .count = 1,                                           \
                         .out = &(output),                                     \
                         .out_size = sizeof(output)})
#endif
// clang-format on

#endif
