/* A hand-over by Condition: parent and child print words in turn, each one after the other has printed the word
 * before. */
#include "example.h"

struct talk {
    prong_condition condition;
    prong_lock lock; /* the condition's */
    prong_shared_value turn;
};

struct side {
    struct talk talk;
    int me;
};

static bool is_my_turn(void *context) {
    const struct side *side = context;
    int turn;
    must(prong_shared_value_get(side->talk.turn, 0, 1, &turn, PRONG_NOWAIT));
    return turn == side->me;
}

static void say(struct side *side, const char *word) {
    must(prong_lock_acquire(side->talk.lock, PRONG_SECONDS(10)));
    must(prong_condition_wait_for(side->talk.condition, is_my_turn, side, PRONG_SECONDS(10)));
    printf("%s\n", word);
    fflush(stdout);
    must(prong_shared_value_set(side->talk.turn, 0, 1, &(int){1 - side->me}, PRONG_NOWAIT));
    must(prong_condition_notify(side->talk.condition, 1));
    must(prong_lock_release(side->talk.lock));
}

static int answer(void *argument, size_t size) {
    struct side side = {*(struct talk *)argument, 1};
    (void)size;
    for (int i = 0; i < 3; i++) say(&side, "child:  pong");
    return 0;
}

int main(int argc, char **argv) {
    struct side side = {.me = 0};
    example_begin(argc, argv);
    must(prong_condition_create(&side.talk.condition, NULL));
    must(prong_condition_get_lock(side.talk.condition, &side.talk.lock));
    must(prong_shared_value_create(&side.talk.turn, PRONG_TYPE_OF(int), 1, NULL,
                                   &(prong_shared_value_options){.unlocked = true}));
    prong_process child = example_start(answer, &side.talk, sizeof side.talk);
    for (int i = 0; i < 3; i++) say(&side, "parent: ping");
    must(prong_process_join(child, PRONG_SECONDS(10)));
    must(prong_condition_destroy(side.talk.condition));
    must(prong_shared_value_destroy(side.talk.turn));
}
