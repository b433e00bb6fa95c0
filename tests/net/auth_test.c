/* The handshake's parts, against the recorded and constructed vectors. */
#include "../support/test.h"
#include "net/auth.h"
#include <sys/wait.h>
#include <unistd.h>

static size_t from_hex(const char *hex, unsigned char *bytes, size_t capacity) {
    size_t n = 0;
    for (; hex[0] && hex[1] && *hex != '"' && n < capacity; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0};
        bytes[n++] = (unsigned char)strtoul(digits, NULL, 16);
    }
    return n;
}

/* The value of a string member of a JSON line; "" when there is none. */
static const char *member(const char *line, const char *name) {
    char wanted[40];
    snprintf(wanted, sizeof(wanted), "\"%s\": \"", name);
    const char *at = strstr(line, wanted);
    return at ? at + strlen(wanted) : "";
}

static FILE *vectors(void) {
    const char *directory = getenv("PRONG_VECTORS");
    char path[500];
    snprintf(path, sizeof(path), "%s/auth.jsonl", directory ? directory : "");
    FILE *file = fopen(path, "r");
    check(file);
    return file;
}

TEST(recorded_handshakes_are_answered_and_judged_as_cpython_does) {
    static char line[8192];
    int answered = 0, judged = 0;
    FILE *file = vectors();
    while (fgets(line, sizeof(line), file)) {
        unsigned char key[512], challenge[300], response[300], answer[300];
        size_t answer_size;
        size_t key_size = from_hex(member(line, "authkey"), key, sizeof(key));
        size_t challenge_size = from_hex(member(line, "challenge"), challenge, sizeof(challenge));
        size_t response_size = from_hex(member(line, "response"), response, sizeof(response));
        const char *role = member(line, "role");
        bool both = !strncmp(role, "both", 4), welcome = !strncmp(member(line, "verdict"), "#WELCOME#", 9);
        bool old = strstr(line, "\"era\": \"up to 3.11\"") || strstr(line, "<=3.11");
        if (!both && old) continue; /* how an old Python itself would see it */
        if (!strncmp(role, "answer", 6)) {
            prong_status status = auth_answer(key, key_size, challenge, challenge_size, true, answer, &answer_size);
            if (response_size) {
                ok(status);
                check(answer_size == response_size && !memcmp(answer, response, answer_size));
            } else {
                is(status, PRONG_PERMISSION);
            }
            answered++;
        } else {
            prong_status status = auth_verify(key, key_size, challenge, challenge_size, response, response_size, true);
            if ((status == PRONG_OK) != welcome)
                test_failed(__FILE__, __LINE__, "%.120s: %s", line, prong_status_name(status));
            judged++;
        }
    }
    fclose(file);
    check(answered > 5 && judged > 10);
}

/* Computed with Python's hmac, as multiprocessing.connection does. */
TEST(answers_are_as_cpythons) {
    static const struct {
        const char *nonce, *prefix, *mac;
    } cases[] = {
        {"{sha256}nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "{sha256}",
         "b614709aec350fee4639d32b5548353fb00ff32a1df8b87587261978789294b9"},
        {"{sha384}nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "{sha384}",
         "3fabfdd88bda34f8f20284cba86bc9e0be2a109b7b8fb037eb3fd216aae44f87152bafba73ce60ea2de2684fd34fb958"},
        {"{sha3_256}nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "{sha3_256}",
         "a75836b2253465a08a862f6b2f4337776551084038f53b2a74c908b96a16c3fd"},
        {"{sha3_384}nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "{sha3_384}",
         "c27a4a4f036101c91d099e854779d2a0263a2cd90079dd6bce5b34f3cde5e9a70b95c8394e8320564627423159a20ab6"},
        {"{md5}nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn", "{md5}", "082ec0d71a6e374541e0ea1607363556"},
        {"nnnnnnnnnnnnnnnnnnnn", "", "2936f9d9bba0f6aa31b1dab303ef526b"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsigned char answer[AUTH_MESSAGE_MAX], wanted[AUTH_MESSAGE_MAX];
        size_t size, prefix = strlen(cases[i].prefix), nonce = strlen(cases[i].nonce);
        memcpy(wanted, cases[i].prefix, prefix);
        size_t length = prefix + from_hex(cases[i].mac, wanted + prefix, sizeof(wanted) - prefix);
        ok(auth_answer("a key", 5, cases[i].nonce, nonce, true, answer, &size));
        check(size == length && !memcmp(answer, wanted, size));
        ok(auth_verify("a key", 5, cases[i].nonce, nonce, wanted, length, true));
        is(auth_verify("another", 7, cases[i].nonce, nonce, wanted, length, true), PRONG_PERMISSION);
        says("another authkey");
        wanted[length - 1] ^= 1;
        is(auth_verify("a key", 5, cases[i].nonce, nonce, wanted, length, true), PRONG_PERMISSION);
        is(auth_verify("a key", 5, cases[i].nonce, nonce, wanted, length - 1, true), PRONG_PERMISSION);
    }
    unsigned char answer[AUTH_MESSAGE_MAX];
    size_t size;
    is(auth_answer("k", 1, "short", 5, true, answer, &size), PRONG_PERMISSION);
    says("too short");
    is(auth_answer("k", 1, "{sha1}nnnnnnnnnnnnnnnnnnnnnnnnn", 31, true, answer, &size), PRONG_PERMISSION);
    says("names no digest");
}

TEST(md5_is_refused_unless_allowed) {
    unsigned char nonce[20] = {1}, answer[80];
    size_t size;
    is(auth_answer("k", 1, nonce, sizeof(nonce), false, answer, &size), PRONG_PERMISSION);
    says("allow_md5");
    ok(auth_answer("k", 1, nonce, sizeof(nonce), true, answer, &size));
    equal(size, 16);
    is(auth_verify("k", 1, nonce, sizeof(nonce), answer, size, false), PRONG_PERMISSION);
    ok(auth_verify("k", 1, nonce, sizeof(nonce), answer, size, true));
}

TEST(two_sides_convince_each_other_or_do_not) {
    for (int same = 0; same < 2; same++) {
        struct auth server, client;
        struct auth_reply out, in;
        ok(auth_begin(&server, true, "key", 3, false, &out));
        ok(auth_begin(&client, false, same ? "key" : "kex", 3, false, &in));
        equal(out.count, 1);
        ok(auth_step(&client, out.data[0], out.size[0], &in));
        prong_status status = auth_step(&server, in.data[0], in.size[0], &out);
        is(status, same ? PRONG_OK : PRONG_PERMISSION);
        if (!same) {
            check(out.count == 1 && !memcmp(out.data[0], "#FAILURE#", 9));
            is(auth_step(&client, out.data[0], out.size[0], &in), PRONG_PERMISSION);
            continue;
        }
        ok(auth_step(&client, out.data[0], out.size[0], &in));
        ok(auth_step(&server, in.data[0], in.size[0], &out));
        ok(auth_step(&client, out.data[0], out.size[0], &in));
        equal(client.state, AUTH_DONE);
        ok(auth_step(&server, in.data[0], in.size[0], &out));
        equal(server.state, AUTH_DONE);
    }
}

/* A client that has "proved" itself to whoever does not know the key, and challenges it in turn. */
static void challenging_client(struct auth *client, struct auth_reply *challenge) {
    static const char forged[] = "#CHALLENGE#{sha256}0123456789012345678901234567890123456789", welcome[] = "#WELCOME#";
    ok(auth_begin(client, false, "key", 3, true, challenge));
    ok(auth_step(client, forged, sizeof(forged) - 1, challenge));
    ok(auth_step(client, welcome, sizeof(welcome) - 1, challenge));
    equal(challenge->count, 1);
}

/* What another client of this process answers to a challenge. */
static prong_status answer_of_another(const void *challenge, size_t size, struct auth_reply *answer) {
    struct auth other;
    ok(auth_begin(&other, false, "key", 3, true, answer));
    prong_status status = auth_step(&other, challenge, size, answer);
    auth_end(&other);
    return status;
}

TEST(a_challenge_of_this_process_is_not_answered_on_another_connection) {
    struct auth client;
    struct auth_reply challenge, answer;
    challenging_client(&client, &challenge);
    is(answer_of_another(challenge.data[0], challenge.size[0], &answer), PRONG_PERMISSION);
    says("reflection");
    equal(answer.count, 0);
    /* nor with another digest's name, or without one */
    char other[AUTH_MESSAGE_MAX];
    const unsigned char *nonce = challenge.data[0] + strlen("#CHALLENGE#{sha256}");
    const char *const names[] = {"{sha384}", "{sha3_256}", "{md5}", ""};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        int size = snprintf(other, sizeof(other), "#CHALLENGE#%s", names[i]);
        memcpy(other + size, nonce, 40);
        is(answer_of_another(other, (size_t)size + 40, &answer), PRONG_PERMISSION);
        says("reflection");
    }
    /* it has been given up: what an answer is worth is nothing, and none is withheld */
    auth_end(&client);
    ok(answer_of_another(challenge.data[0], challenge.size[0], &answer));
    equal(answer.count, 1);
}

TEST(a_refused_handshake_has_no_challenge_outstanding) {
    struct auth client;
    struct auth_reply challenge, answer, verdict;
    challenging_client(&client, &challenge);
    is(auth_step(&client, "no answer", 9, &verdict), PRONG_PERMISSION);
    ok(answer_of_another(challenge.data[0], challenge.size[0], &answer));
}

TEST(a_forked_child_does_not_answer_for_its_parent) {
    struct auth client;
    struct auth_reply challenge, answer;
    challenging_client(&client, &challenge);
    pid_t child = fork();
    if (child == 0) _exit(answer_of_another(challenge.data[0], challenge.size[0], &answer) == PRONG_PERMISSION ? 7 : 1);
    int code;
    check(waitpid(child, &code, 0) == child);
    check(WIFEXITED(code));
    equal(WEXITSTATUS(code), 7);
    auth_end(&client);
}
