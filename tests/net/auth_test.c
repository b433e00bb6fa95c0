/* The handshake's parts, against the recorded and constructed vectors; skipped where these are not. */
#include "../support/test.h"
#include "net/auth.h"

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
    FILE *file = directory ? fopen(path, "r") : NULL;
    if (!file) printf("skipped: no vectors (PRONG_VECTORS)\n");
    return file;
}

TEST(recorded_handshakes_are_answered_and_judged_as_cpython_does) {
    static char line[8192];
    int answered = 0, judged = 0;
    FILE *file = vectors();
    if (!file) return;
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
            if ((status == PRONG_OK) != welcome && !(both && !welcome))
                test_failed(__FILE__, __LINE__, "%.120s: %s", line, prong_status_name(status));
            judged++;
        }
    }
    fclose(file);
    check(answered > 5 && judged > 10);
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
