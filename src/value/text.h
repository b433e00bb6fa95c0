/* UTF-8, with lone surrogates let pass. */
#ifndef VALUE_TEXT_H
#define VALUE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it is; *bad (may be NULL) is the position of the first byte that is not. */
bool utf8_valid(const char *text, size_t size, size_t *bad);
/* Puts a question mark for each byte that is of no character, as in a text that was cut in the middle of one. */
void utf8_repair(char *text);
/* Writes a character, up to 4 bytes; how many. */
size_t utf8_put(char *out, uint32_t character);
/* Reads a character of valid text and goes past it. */
uint32_t utf8_get(const char **text);

#endif
