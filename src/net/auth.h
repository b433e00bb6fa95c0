/* The handshake of multiprocessing.connection: both sides prove that they have the same key. It takes and gives
 * messages; there are no sockets here.
 *
 * A challenge is "#CHALLENGE#" and a nonce; the answer is an HMAC of the nonce; then comes "#WELCOME#" or "#FAILURE#".
 * From Python 3.12 on nonce and answer begin with the digest's name in braces; before that, a nonce has 20 bytes and an
 * answer 16, by MD5. The side that listens challenges first.
 *
 * A challenge is not answered if it was sent by this process, in a handshake on the same side that is still running.
 * That is reflection: a peer with two connections to this process lets one answer the challenge of the other. A
 * challenge that this process sent on the other side is answered: a program may connect to itself, which looks like a
 * relay between the two. */
#ifndef NET_AUTH_H
#define NET_AUTH_H

#include <prong/status.h>
#include <stdbool.h>
#include <stddef.h>

enum { AUTH_MESSAGE_MAX = 256, AUTH_NONCE_MAX = 64 };

struct auth {
    struct auth *next, **place; /* among those with a challenge outstanding; place: NULL when it has none */
    const void *key;            /* the caller's; must live as long as the handshake */
    size_t key_size;
    bool allow_md5;
    bool listens;
    enum { AUTH_AWAITS_ANSWER, AUTH_AWAITS_VERDICT, AUTH_AWAITS_CHALLENGE, AUTH_DONE, AUTH_FAILED } state;
    unsigned char nonce[AUTH_NONCE_MAX];
    size_t nonce_size;
};

/* What is to be sent after a step; size 0: nothing. A second one may follow it. */
struct auth_reply {
    unsigned char data[2][AUTH_MESSAGE_MAX];
    size_t size[2];
    unsigned count;
};

/* Begins, with a first message to send if this side listens. Errors: PRONG_SYSTEM (no crypto was built in). */
prong_status auth_begin(struct auth *auth, bool listens, const void *key, size_t key_size, bool allow_md5,
                        struct auth_reply *reply);
/* Ends the handshake, complete or not. Must be called before its memory is freed; until then the memory must not move.
 * May be called twice, and without auth_begin on a struct that is all zero. */
void auth_end(struct auth *auth);
/* Handles a message. PRONG_PERMISSION: this side or the other one has refused; reply may still have a message to
 * send. */
prong_status auth_step(struct auth *auth, const void *message, size_t size, struct auth_reply *reply);

/* The two parts, as in Python: makes the answer to a nonce; checks whether an answer is right. */
prong_status auth_answer(const void *key, size_t key_size, const void *nonce, size_t nonce_size, bool allow_md5,
                         unsigned char *answer, size_t *answer_size);
prong_status auth_verify(const void *key, size_t key_size, const void *nonce, size_t nonce_size, const void *answer,
                         size_t answer_size, bool allow_md5);

#endif
