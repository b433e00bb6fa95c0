/* What the files on processes share. */
#ifndef PROCESS_H
#define PROCESS_H

#include "core.h"

/* --- popen.c --- */

/* The process object's process, started, as it keeps it in _popen; raises. The options' name, daemon and argument are filled in here.
 * connections: a list of handles that it is to hold, NULL: none. */
PyObject *popen_start(PyObject *process, const prong_process_options *options, PyObject *connections,
                      const char *payload, Py_ssize_t payload_size);
/* The argument of such a process, to be freed by PyMem_Free; NULL with an exception. */
void *popen_argument(PyObject *connections, const char *payload, Py_ssize_t payload_size, size_t *size);
/* The strings of a list of bytes, up to a NULL, to be freed by PyMem_Free; they stay the list's. NULL with an exception. */
const char **strings_of(PyObject *list);
/* The payload of what popen_start handed to the child. */
const char *payload_of(const void *argument, size_t *size);
/* A new image's target: calls what _set_image was given. */
int image_child(void *argument, size_t size);
int add_popen(PyObject *module);

/* --- fork.c --- */

/* Flushes sys.stdout and sys.stderr, as far as they are files that are open. Returns -1 when one cannot be written to. */
int flush_streams(void);
/* Before a fork of ours, and after it in both processes: whether a child that this thread forks keeps the descriptor of
 * multiprocessing's resource tracker. From 3.13.18 and 3.14.10 on it is closed in a child unless this is said before. Needs the GIL;
 * leaves an exception that is set as it is. */
void tracker_keep_over_fork(bool keep);
int add_fork(PyObject *module);

/* --- process.c --- */

/* The result of a call in the child as its exit code. What was raised is printed: Python's side has handled its own already. */
int code_of(PyObject *result);

#endif
