/* The handshake, with OpenSSL's HMAC. */
#define _GNU_SOURCE
#include "net/auth.h"
#include "base/error.h"
#include "base/fork.h"
#include "os/os.h"
#include <string.h>

#ifdef HAVE_OPENSSL
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#endif

static const char CHALLENGE[] = "#CHALLENGE#", WELCOME[] = "#WELCOME#", FAILURE[] = "#FAILURE#";
enum { CHALLENGE_SIZE = sizeof(CHALLENGE) - 1, OLD_NONCE = 20, OLD_ANSWER = 16, OWN_NONCE = 40, MAC_MAX = 64 };

/* --- digests --- */

static const char *const digests[] = {"md5", "sha256", "sha384", "sha3_256", "sha3_384"};
enum { DIGESTS = sizeof(digests) / sizeof(*digests), MD5 = 0 };

#ifdef HAVE_OPENSSL
static const EVP_MD *digest_of(int which) {
    switch (which) {
    case 0: return EVP_md5();
    case 1: return EVP_sha256();
    case 2: return EVP_sha384();
    case 3: return EVP_sha3_256();
    default: return EVP_sha3_384();
    }
}

static prong_status auth_hmac(int which, const void *key, size_t key_size, const void *data, size_t size,
                              unsigned char *mac, size_t *mac_size) {
    unsigned length = 0;
    if (!HMAC(digest_of(which), key_size ? key : "", (int)key_size, data, size, mac, &length))
        return fail(PRONG_SYSTEM, "OpenSSL cannot compute HMAC-%s", digests[which]);
    *mac_size = length;
    return PRONG_OK;
}
static bool auth_same(const void *a, const void *b, size_t size) {
    return CRYPTO_memcmp(a, b, size) == 0; /* in a time that does not depend on the content */
}
static prong_status has_crypto(void) {
    return PRONG_OK;
}
#else
static prong_status auth_hmac(int which, const void *key, size_t key_size, const void *data, size_t size,
                              unsigned char *mac, size_t *mac_size) {
    (void)which, (void)key, (void)key_size, (void)data, (void)size, (void)mac;
    *mac_size = 0;
    return PRONG_SYSTEM;
}
static bool auth_same(const void *a, const void *b, size_t size) {
    return memcmp(a, b, size) == 0;
}
static prong_status has_crypto(void) {
    return fail_text(PRONG_SYSTEM, "authentication: this library was built without OpenSSL");
}
#endif

/* The digest named in braces at the start, and the length of the name with its braces; -1: no known digest. */
static int named_digest(const unsigned char *message, size_t size, size_t *prefix) {
    for (int i = 0; i < DIGESTS; i++) {
        size_t length = strlen(digests[i]);
        if (size < length + 2 || message[0] != '{' || memcmp(message + 1, digests[i], length) ||
            message[length + 1] != '}')
            continue;
        *prefix = length + 2;
        return i;
    }
    return -1;
}

static prong_status md5_refused(const char *what) {
    return fail(PRONG_PERMISSION,
                "authentication: the other side %s by MD5, as Python up to 3.11 does; it is refused unless the option "
                "allow_md5 is set",
                what);
}

/* --- the parts --- */

prong_status auth_answer(const void *key, size_t key_size, const void *nonce, size_t nonce_size, bool allow_md5,
                         unsigned char *answer, size_t *answer_size) {
    size_t prefix = 0, mac_size = 0;
    int digest = MD5;
    if (nonce_size < OLD_NONCE)
        return fail(PRONG_PERMISSION, "authentication: a challenge of %zu bytes is too short", nonce_size);
    if (nonce_size != OLD_NONCE) digest = named_digest(nonce, nonce_size, &prefix);
    if (digest < 0) return fail_text(PRONG_PERMISSION, "authentication: a challenge names no digest that is known");
    if (digest == MD5 && !allow_md5) return md5_refused("asks for an answer");
    memcpy(answer, nonce, prefix);
    prong_status status = auth_hmac(digest, key, key_size, nonce, nonce_size, answer + prefix, &mac_size);
    *answer_size = prefix + mac_size;
    return status;
}

prong_status auth_verify(const void *key, size_t key_size, const void *nonce, size_t nonce_size, const void *answer,
                         size_t answer_size, bool allow_md5) {
    size_t prefix = 0, mac_size = 0;
    int digest = answer_size == OLD_ANSWER ? MD5 : named_digest(answer, answer_size, &prefix);
    if (digest < 0) return fail_text(PRONG_PERMISSION, "authentication: an answer names no digest that is known");
    if (digest == MD5 && !allow_md5) return md5_refused("answers");
    unsigned char mac[MAC_MAX];
    TRY(auth_hmac(digest, key, key_size, nonce, nonce_size, mac, &mac_size));
    if (answer_size - prefix != mac_size)
        return fail(PRONG_PERMISSION, "authentication: an answer by %s of %zu bytes, not %zu", digests[digest],
                    answer_size - prefix, mac_size);
    if (!auth_same(mac, (const unsigned char *)answer + prefix, mac_size))
        return fail_text(PRONG_PERMISSION, "authentication: the other side has another authkey");
    return PRONG_OK;
}

/* --- challenges that are outstanding --- */

static struct auth *outstanding;

/* A forked child keeps its parent's list: it must not answer its parent's challenges. */
FORK_MUTEX(auth, outstanding_mutex, NULL)

static void outstanding_add(struct auth *auth) {
    pthread_mutex_lock(&outstanding_mutex);
    auth->next = outstanding;
    auth->place = &outstanding;
    if (auth->next) auth->next->place = &auth->next;
    outstanding = auth;
    pthread_mutex_unlock(&outstanding_mutex);
}

void auth_end(struct auth *auth) {
    if (!auth->place) return;
    pthread_mutex_lock(&outstanding_mutex);
    *auth->place = auth->next;
    if (auth->next) auth->next->place = auth->place;
    auth->place = NULL;
    pthread_mutex_unlock(&outstanding_mutex);
}

/* Only the random part is compared, whatever is before or after it. */
static bool outstanding_has(bool listens, const void *nonce, size_t size) {
    pthread_mutex_lock(&outstanding_mutex);
    const struct auth *auth = outstanding;
    while (auth &&
           (auth->listens != listens || !memmem(nonce, size, auth->nonce + auth->nonce_size - OWN_NONCE, OWN_NONCE)))
        auth = auth->next;
    pthread_mutex_unlock(&outstanding_mutex);
    return auth != NULL;
}

/* --- the steps --- */

static void add_reply(struct auth_reply *reply, const void *data, size_t size) {
    memcpy(reply->data[reply->count], data, size);
    reply->size[reply->count++] = size;
}

static void add_challenge(struct auth *auth, struct auth_reply *reply) {
    static const char prefix[] = "{sha256}";
    memcpy(auth->nonce, prefix, sizeof(prefix) - 1);
    for (size_t i = 0; i < OWN_NONCE; i += sizeof(uint64_t)) {
        uint64_t word = os_random();
        memcpy(auth->nonce + sizeof(prefix) - 1 + i, &word, sizeof(word));
    }
    auth->nonce_size = sizeof(prefix) - 1 + OWN_NONCE;
    unsigned char message[AUTH_MESSAGE_MAX];
    memcpy(message, CHALLENGE, CHALLENGE_SIZE);
    memcpy(message + CHALLENGE_SIZE, auth->nonce, auth->nonce_size);
    add_reply(reply, message, CHALLENGE_SIZE + auth->nonce_size);
    auth->state = AUTH_AWAITS_ANSWER;
    outstanding_add(auth);
}

prong_status auth_begin(struct auth *auth, bool listens, const void *key, size_t key_size, bool allow_md5,
                        struct auth_reply *reply) {
    *auth = (struct auth){.key = key, .key_size = key_size, .allow_md5 = allow_md5, .listens = listens};
    reply->count = 0;
    TRY(has_crypto());
    if (listens)
        add_challenge(auth, reply);
    else
        auth->state = AUTH_AWAITS_CHALLENGE;
    return PRONG_OK;
}

static prong_status take_challenge(struct auth *auth, const void *message, size_t size, struct auth_reply *reply) {
    if (size < CHALLENGE_SIZE || memcmp(message, CHALLENGE, CHALLENGE_SIZE))
        return fail_text(PRONG_PERMISSION,
                         "authentication: the other side does not challenge (it may want no authkey)");
    unsigned char answer[AUTH_MESSAGE_MAX];
    size_t answer_size;
    const char *nonce = (const char *)message + CHALLENGE_SIZE;
    if (outstanding_has(auth->listens, nonce, size - CHALLENGE_SIZE))
        return fail_text(PRONG_PERMISSION,
                         "authentication: the other side challenges with a challenge of this process's own, made on "
                         "another connection (reflection: it does not know the authkey)");
    prong_status status =
        auth_answer(auth->key, auth->key_size, nonce, size - CHALLENGE_SIZE, auth->allow_md5, answer, &answer_size);
    if (status < 0) return status;
    add_reply(reply, answer, answer_size);
    auth->state = AUTH_AWAITS_VERDICT;
    return PRONG_OK;
}

/* For the side that listens both directions are verified then; the side that connects goes on with its challenge. */
static prong_status take_verdict(struct auth *auth, const void *message, size_t size, struct auth_reply *reply) {
    if (size != sizeof(WELCOME) - 1 || memcmp(message, WELCOME, size))
        return fail_text(PRONG_PERMISSION,
                         "authentication: the other side refuses our answer (has it the same authkey?)");
    if (auth->listens)
        auth->state = AUTH_DONE;
    else
        add_challenge(auth, reply);
    return PRONG_OK;
}

static prong_status take_answer(struct auth *auth, const void *message, size_t size, struct auth_reply *reply) {
    auth_end(auth);
    prong_status status =
        auth_verify(auth->key, auth->key_size, auth->nonce, auth->nonce_size, message, size, auth->allow_md5);
    const char *verdict = status ? FAILURE : WELCOME;
    add_reply(reply, verdict, strlen(verdict));
    auth->state = auth->listens ? AUTH_AWAITS_CHALLENGE : AUTH_DONE;
    return status;
}

prong_status auth_step(struct auth *auth, const void *message, size_t size, struct auth_reply *reply) {
    reply->count = 0;
    prong_status status = size > AUTH_MESSAGE_MAX
                              ? fail(PRONG_PERMISSION, "authentication: a message of %zu bytes is too long", size)
                          : auth->state == AUTH_AWAITS_ANSWER    ? take_answer(auth, message, size, reply)
                          : auth->state == AUTH_AWAITS_CHALLENGE ? take_challenge(auth, message, size, reply)
                                                                 : take_verdict(auth, message, size, reply);
    if (status >= 0) return PRONG_OK;
    auth->state = AUTH_FAILED;
    auth_end(auth);
    return status;
}
