/* Lists, tuples, dicts and sets: looking into them and changing them. See
 * <prong/value.h>.
 *
 * Every call may return PRONG_INVALID (the container is of another kind), and
 * those that take a document PRONG_NO_MEMORY. The document is the one that the
 * container lies in. A key is any value that can be hashed, or PRONG_INVALID.
 */
#ifndef PRONG_CONTAINER_H
#define PRONG_CONTAINER_H

#include <prong/value.h>

PRONG_BEGIN_DECLS

/* --- all containers --- */

/* Items of a list, tuple, dict or set; bytes of bytes, bytearray, buffer; bytes
 * of a str's UTF-8; 0 for all others. */
PRONG_API size_t prong_value_size(prong_value value);
/* `in`: of a list, tuple, dict (keys), set, frozenset. */
PRONG_API bool prong_value_contains(prong_value container, prong_value item);
/* Goes through a list, tuple, dict, set or frozenset:
 *     size_t at = 0;
 *     while (prong_value_next(value, &at, &key, &item)) …
 * key is None except for a dict; key and item may be NULL. For a set the item
 * is its member. The container must not change meanwhile, but for new values of
 * existing keys. */
PRONG_API bool prong_value_next(prong_value container, size_t *at,
                                prong_value *key, prong_value *item);
/* By a path: "servers[0].name"; a key that has dots or brackets in quotes:
 * "['a.b'][2]"; negative indices count from the end. Errors: PRONG_NOT_FOUND
 * (the message names the step), PRONG_INVALID. */
PRONG_CHECKED prong_status prong_value_at(prong_value value, const char *path,
                                          prong_value *found);

/* --- lists --- */

/* Of a list or tuple. Errors: PRONG_NOT_FOUND (index out of range). */
PRONG_CHECKED prong_status prong_list_get(prong_value list, size_t index,
                                          prong_value *item);
/* Replaces the item that is there. Errors: PRONG_NOT_FOUND. */
PRONG_CHECKED prong_status prong_list_set(prong_value list, size_t index,
                                          prong_value item);
PRONG_CHECKED prong_status prong_list_append(prong_document *document,
                                             prong_value list,
                                             prong_value item);
/* Inserts before `index` (the list's size: at the end). Errors:
 * PRONG_NOT_FOUND. */
PRONG_CHECKED prong_status prong_list_insert(prong_document *document,
                                             prong_value list, size_t index,
                                             prong_value item);
/* Errors: PRONG_NOT_FOUND. */
PRONG_API prong_status prong_list_remove(prong_value list, size_t index);

/* --- dicts --- */

/* Errors: PRONG_NOT_FOUND. */
PRONG_CHECKED prong_status prong_dict_get(prong_value dict, prong_value key,
                                          prong_value *value);
/* Adds the key, or replaces its value. */
PRONG_CHECKED prong_status prong_dict_set(prong_document *document,
                                          prong_value dict, prong_value key,
                                          prong_value value);
/* Errors: PRONG_NOT_FOUND. */
PRONG_API prong_status prong_dict_remove(prong_value dict, prong_value key);
/* The same by a key that is text up to its NUL. Also PRONG_INVALID: it is not
 * UTF-8. */
PRONG_CHECKED prong_status prong_dict_get_text(prong_value dict,
                                               const char *key,
                                               prong_value *value);
PRONG_CHECKED prong_status prong_dict_set_text(prong_document *document,
                                               prong_value dict,
                                               const char *key,
                                               prong_value value);

/* --- sets, but no frozensets --- */

/* An item that is there already stays. */
PRONG_CHECKED prong_status prong_set_add(prong_document *document,
                                         prong_value set, prong_value item);
/* Errors: PRONG_NOT_FOUND. */
PRONG_API prong_status prong_set_remove(prong_value set, prong_value item);

PRONG_END_DECLS

#endif
