#include "manager/client/reach.h"

#include "base/error.h"
#include "net/link.h"

#include <stdio.h>
#include <string.h>

static prong_status keep_path(char kept[MANAGER_PATH], const char *given, const char *what) {
    if (given && strlen(given) >= MANAGER_PATH)
        return fail(PRONG_TOO_LONG, "manager: TLS %s: a path of %zu bytes", what, strlen(given));
    snprintf(kept, MANAGER_PATH, "%s", given ? given : "");
    return PRONG_OK;
}

static prong_status keep_tls(struct tls_paths *kept, const prong_tls *tls) {
    kept->used = tls != NULL;
    if (!tls) return PRONG_OK;
    TRY(keep_path(kept->certificate, tls->certificate, "certificate"));
    TRY(keep_path(kept->key, tls->key, "key"));
    TRY(keep_path(kept->authority, tls->authority, "authority"));
    return keep_path(kept->name, tls->name, "name");
}

prong_status reach_keep(struct reach *reach, const char *address, const prong_link_options *options) {
    static const prong_link_options none;
    if (!options) options = &none;
    memset(reach, 0, sizeof(*reach));
    if (address && strlen(address) >= PRONG_MANAGER_ADDRESS)
        return fail_text(PRONG_INVALID, "manager: the address is too long");
    TRY(link_check_options(options, "manager: link options", "manager: authkey"));
    if (options->authkey && options->authkey_size > PRONG_MANAGER_AUTHKEY)
        return fail(PRONG_TOO_LONG, "manager: an authkey of %zu bytes, of at most %d", options->authkey_size,
                    PRONG_MANAGER_AUTHKEY);
    snprintf(reach->address, sizeof(reach->address), "%s", address ? address : "");
    reach->has_key = options->authkey != NULL;
    reach->key_size = options->authkey ? options->authkey_size : 0;
    if (reach->key_size) memcpy(reach->key, options->authkey, reach->key_size);
    reach->allow_md5 = options->allow_md5;
    reach->max_message = options->max_message;
    return keep_tls(&reach->tls, options->tls);
}

static const char *path_or_null(const char *path) {
    return *path ? path : NULL;
}

void reach_options(const struct reach *reach, prong_link_options *options, prong_tls *tls) {
    *options = (prong_link_options){.authkey = reach->has_key ? reach->key : NULL,
                                    .authkey_size = reach->key_size,
                                    .allow_md5 = reach->allow_md5,
                                    .max_message = reach->max_message};
    if (!reach->tls.used) return;
    *tls = (prong_tls){path_or_null(reach->tls.certificate), path_or_null(reach->tls.key),
                       path_or_null(reach->tls.authority), path_or_null(reach->tls.name)};
    options->tls = tls;
}
