/* Further functions in between, for the test of src/os alone: calls that hardly ever fail, or that the library does
 * without where they are missing. */
#define _GNU_SOURCE
#include "inject.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

WRAP(int, fstat64, (int fd, struct stat *about), (fd, about), -1, ENOMEM, EIO)
WRAP(int, stat64, (const char *path, struct stat *about), (path, about), -1, ENOENT, EACCES)
WRAP(int, fstatat64, (int directory, const char *name, struct stat *about, int flags), (directory, name, about, flags),
     -1, ENOENT, EACCES)
WRAP(int, openat64, (int directory, const char *name, int flags), (directory, name, flags), -1, EMFILE, EACCES)
WRAP(ssize_t, readlink, (const char *path, char *text, size_t size), (path, text, size), -1, EACCES, ENOENT)
WRAP(ssize_t, readlinkat, (int directory, const char *path, char *text, size_t size), (directory, path, text, size), -1,
     ENOENT)
WRAP(DIR *, fdopendir, (int fd), (fd), NULL, ENOMEM)
WRAP(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL, ENOMEM)
WRAP(ssize_t, getrandom, (void *bits, size_t size, unsigned flags), (bits, size, flags), -1, ENOSYS, EINTR)
#ifdef __SANITIZE_ADDRESS__ /* without the call the library itself reads to a page's end, beyond what is allocated */
#define READ_ERRORS EFAULT
#else
#define READ_ERRORS EPERM, ENOSYS, EFAULT
#endif
WRAP(ssize_t, process_vm_readv,
     (pid_t pid, const struct iovec *to, unsigned long to_count, const struct iovec *from, unsigned long from_count,
      unsigned long flags),
     (pid, to, to_count, from, from_count, flags), -1, READ_ERRORS)
WRAP(int, fstatfs64, (int fd, struct statfs *about), (fd, about), -1, ENOSYS)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size), (fd, level, name, value, size), -1,
     ENOPROTOOPT)
WRAP(int, sched_getaffinity, (pid_t pid, size_t size, cpu_set_t *set), (pid, size, set), -1, EINVAL)
