/* How to reach a server: the options of its links without pointers, so that every member of the family can use them. */
#ifndef MANAGER_CLIENT_REACH_H
#define MANAGER_CLIENT_REACH_H

#include <prong/manager.h>
#include <stdbool.h>
#include <stddef.h>

enum { MANAGER_PATH = 256 };

/* TLS options by value. */
struct tls_paths {
    bool used;
    char certificate[MANAGER_PATH], key[MANAGER_PATH], authority[MANAGER_PATH], name[MANAGER_PATH];
};

/* How a link is made, by value. */
struct reach {
    char address[PRONG_MANAGER_ADDRESS];
    unsigned char key[PRONG_MANAGER_AUTHKEY];
    size_t key_size;
    bool has_key, allow_md5;
    size_t max_message;
    struct tls_paths tls;
};

/* Errors: PRONG_TOO_LONG for what does not fit. */
prong_status reach_keep(struct reach *reach, const char *address, const prong_link_options *options);
/* Options that point into reach and tls. */
void reach_options(const struct reach *reach, prong_link_options *options, prong_tls *tls);

#endif
