/* Idents and tokens, as values and back. */
#include "manager/token.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

static const char MODULE[] = "multiprocessing.managers", CLASS[] = "Token";

prong_status ident_to_value(prong_document *document, uint64_t id, prong_value *value) {
    char text[24];
    snprintf(text, sizeof text, "%llx", (unsigned long long)id);
    return prong_make_str(document, text, PRONG_TO_NUL, value);
}

prong_status ident_from_value(prong_value value, uint64_t *id) {
    const char *text;
    char *end;
    TRY(prong_get_str(value, &text, NULL));
    *id = strtoull(text, &end, 16);
    return *text && !*end ? PRONG_OK : fail(PRONG_INVALID, "no ident is \"%.40s\"", text);
}

prong_status token_to_value(prong_document *document, const char *type, const char *address, uint64_t id,
                            prong_value *value) {
    prong_value place, ident;
    prong_object made = {.module = MODULE, .name = CLASS, .by_new = true, .has_state = true};
    TRY(address_to_value(document, address, &place));
    TRY(ident_to_value(document, id, &ident));
    TRY(prong_build(document, &made.state, "(svv)", type, place, ident));
    return prong_make_object(document, &made, value);
}

prong_status token_from_value(prong_value value, struct token *token) {
    prong_object view;
    prong_value place, ident;
    if (!prong_value_is(value, MODULE, CLASS) || prong_get_object(value, &view) < 0)
        return fail_text(PRONG_INVALID, "no token");
    TRY(prong_scan(view.state, "(svv)", &token->type, &place, &ident));
    TRY(ident_from_value(ident, &token->id));
    return address_from_value(place, token->address);
}
