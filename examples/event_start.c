/* An Event as a starting gun: five runners get ready, and none starts before it is set. */
#include "example.h"

struct race {
    prong_event gun;
    prong_shared_value ready, early, ran;
};

static int run(void *argument, size_t size) {
    const struct race *race = argument;
    (void)size;
    must(prong_shared_value_add(race->ready, 0, 1, NULL));
    must(prong_event_wait(race->gun, PRONG_SECONDS(10)));
    if (!prong_event_is_set(race->gun)) must(prong_shared_value_add(race->early, 0, 1, NULL));
    must(prong_shared_value_add(race->ran, 0, 1, NULL));
    return 0;
}

static long number(prong_shared_value value) {
    long content;
    must(prong_shared_value_get(value, 0, 1, &content, PRONG_SECONDS(1)));
    return content;
}

int main(int argc, char **argv) {
    struct race race;
    prong_process runners[5];
    example_begin(argc, argv);
    must(prong_event_create(&race.gun, NULL));
    must(prong_shared_value_create(&race.ready, PRONG_TYPE_OF(long), 1, NULL, NULL));
    must(prong_shared_value_create(&race.early, PRONG_TYPE_OF(long), 1, NULL, NULL));
    must(prong_shared_value_create(&race.ran, PRONG_TYPE_OF(long), 1, NULL, NULL));
    for (int i = 0; i < 5; i++) runners[i] = example_start(run, &race, sizeof race);
    while (number(race.ready) < 5) usleep(1000);
    printf("ready: %ld, ran: %ld\n", number(race.ready), number(race.ran));
    must(prong_event_set(race.gun));
    for (int i = 0; i < 5; i++) must(prong_process_join(runners[i], PRONG_SECONDS(10)));
    printf("ran: %ld, too early: %ld\n", number(race.ran), number(race.early));
}
