/* Remembers what a power cut could undo. Preloaded into a program (LD_PRELOAD),
 * it watches the files of one directory and writes down, before each write, the
 * bytes that were there; a sync of the file forgets them again. After the
 * program has been killed, power_cut.py puts any of them back, sector by sector,
 * as a device may that was cut off before it wrote them.
 *
 * Why this and not dm-flakey: it needs no device mapper, no root and no module
 * of the kernel, so that it runs in containers and CI; it knows each sector and
 * each file's length instead of dropping a time span; and what is lost follows
 * from a seed. What it cannot see: stores through a memory map (LMDB has none
 * without MDB_WRITEMAP; lock.mdb, which is mapped, is not data), files made by
 * fopen as new names, and directories below the watched one.
 *
 * Rules it plays by: a write through a descriptor with O_DSYNC is durable with
 * its sectors when it returns, and makes no other write durable. fsync and
 * fdatasync make all earlier writes to the file durable. Making, renaming or
 * removing a name is durable when the directory has been synced: POSIX promises
 * no more, though most file systems do.
 *
 * Environment:
 *   CUT_DIR   the directory, absolute and without links
 *   CUT_LOG   existing directory on the same file system for what it remembers:
 *             INODE.undo, dir.undo, and kept-N for contents of removed names
 *   CUT_BOOT  a file that stands in for the system's boot id: who reads that
 *             shall find that the machine was down
 *   CUT_LIES  if set, fsync and fdatasync of watched files do nothing: a device
 *             that lies, against which nothing can hold. For proving that
 *             whoever judges the result notices.
 *
 * INODE.undo is a row of `struct entry`, each followed by `old` bytes. An entry
 * that was cut short belongs to a write that had not begun. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { block = 4096, max_files = 64 };

enum { entry_change = 1, entry_synced = 2 };

struct entry {
  uint64_t kind;
  uint64_t offset; /* of the old bytes, or of what is synced */
  uint64_t length; /* of what is synced */
  uint64_t size;   /* of the file before */
  uint64_t old;    /* bytes that follow */
};

struct watched {
  ino_t inode;
  int log;
  int in; /* the same file for reading */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct watched files[max_files];
static int file_count;
static const char* directory;
static const char* log_directory;
static const char* boot_id;
static int lies;

#define REAL(name) ((__typeof__(&name))real(#name))

static void* real(const char* name) {
  void* result = dlsym(RTLD_NEXT, name);
  if (!result)
    abort();
  return result;
}

static void give_up(const char* what) {
  perror(what);
  abort(); /* a check that has gone blind must not pass */
}

__attribute__((constructor)) static void start(void) {
  directory = getenv("CUT_DIR");
  log_directory = getenv("CUT_LOG");
  boot_id = getenv("CUT_BOOT");
  lies = getenv("CUT_LIES") != NULL;
}

/* The name of a path inside the directory, or null. */
static const char* name_in(const char* path) {
  size_t n = directory && log_directory ? strlen(directory) : 0;
  if (n == 0 || strncmp(path, directory, n) != 0 || path[n] != '/'
      || path[n + 1] == '\0' || strchr(path + n + 1, '/'))
    return NULL;
  return path + n + 1;
}

static int open_log(const char* name, int flags) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s", log_directory, name);
  int fd = REAL(open)(path, flags | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    give_up(path);
  return fd;
}

/* Where `fd` leads to, absolute. */
static int path_of(int fd, char* out, size_t size) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, out, size - 1);
  out[n < 0 ? 0 : n] = '\0';
  return n >= 0;
}

/* The entry of a watched file, or null. Call it with the mutex held. */
static struct watched* find(int fd) {
  char path[4096];
  struct stat x;
  if (!directory || fstat(fd, &x) != 0 || !S_ISREG(x.st_mode))
    return NULL;
  for (int i = 0; i < file_count; ++i)
    if (files[i].inode == x.st_ino)
      return &files[i];
  if (!path_of(fd, path, sizeof path) || !name_in(path))
    return NULL;
  if (file_count == max_files)
    give_up("too many watched files");
  struct watched* result = &files[file_count++];
  char name[64];
  snprintf(name, sizeof name, "%llu.undo", (unsigned long long)x.st_ino);
  result->inode = x.st_ino;
  result->log = open_log(name, O_WRONLY | O_APPEND);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  result->in = REAL(open)(path, O_RDONLY | O_CLOEXEC);
  if (result->in < 0)
    give_up("open for reading");
  return result;
}

static void append(int log, struct entry x, const void* old) {
  struct iovec parts[] = {{&x, sizeof x}, {(void*)old, x.old}};
  if (REAL(writev)(log, parts, 2) != (ssize_t)(sizeof x + x.old))
    give_up("undo log");
}

/* What stands between two offsets is about to change. */
static void remember(struct watched* f, uint64_t from, uint64_t to) {
  struct stat x;
  if (fstat(f->in, &x) != 0)
    give_up("fstat");
  uint64_t size = (uint64_t)x.st_size;
  from = from / block * block;
  to = (to + block - 1) / block * block;
  to = to < size ? to : size;
  struct entry e = {entry_change, from, 0, size, to > from ? to - from : 0};
  char* old = malloc(e.old + 1);
  for (uint64_t n = 0; n < e.old;) {
    ssize_t step = pread(f->in, old + n, e.old - n, (off_t)(from + n));
    if (step <= 0)
      give_up("old bytes");
    n += (uint64_t)step;
  }
  append(f->log, e, old);
  free(old);
}

/* -- writing --------------------------------------------------------------- */

static size_t total(const struct iovec* xs, int n) {
  size_t result = 0;
  for (int i = 0; i < n; ++i)
    result += xs[i].iov_len;
  return result;
}

/* Runs CALL, a write of `length` bytes at `at` (-1: where the descriptor is). */
#define WATCHED_WRITE(fd, at, length, CALL)                                    \
  do {                                                                         \
    pthread_mutex_lock(&mutex);                                                \
    struct watched* f = find(fd);                                              \
    off_t from = at;                                                           \
    int flags = f ? fcntl(fd, F_GETFL) : 0;                                    \
    if (f) {                                                                   \
      struct stat x;                                                           \
      if (from < 0 && (flags & O_APPEND) && fstat(fd, &x) == 0)                \
        from = x.st_size;                                                      \
      else if (from < 0)                                                       \
        from = lseek(fd, 0, SEEK_CUR);                                         \
      remember(f, (uint64_t)from, (uint64_t)from + (length));                  \
    } else {                                                                   \
      pthread_mutex_unlock(&mutex); /* sockets and pipes may block */          \
    }                                                                          \
    ssize_t result = CALL;                                                     \
    if (!f)                                                                    \
      return result;                                                           \
    int why = errno;                                                           \
    if (result > 0 && (flags & O_DSYNC)) {                                     \
      struct entry e = {entry_synced, (uint64_t)from, (uint64_t)result, 0, 0}; \
      append(f->log, e, NULL);                                                 \
    }                                                                          \
    pthread_mutex_unlock(&mutex);                                              \
    errno = why;                                                               \
    return result;                                                             \
  } while (0)

ssize_t write(int fd, const void* data, size_t n) {
  WATCHED_WRITE(fd, -1, n, REAL(write)(fd, data, n));
}

ssize_t writev(int fd, const struct iovec* xs, int n) {
  WATCHED_WRITE(fd, -1, total(xs, n), REAL(writev)(fd, xs, n));
}

ssize_t pwrite(int fd, const void* data, size_t n, off_t at) {
  WATCHED_WRITE(fd, at, n, REAL(pwrite)(fd, data, n, at));
}

ssize_t pwritev(int fd, const struct iovec* xs, int n, off_t at) {
  WATCHED_WRITE(fd, at, total(xs, n), REAL(pwritev)(fd, xs, n, at));
}

/* Changes of length or allocation: what is cut off or punched out, and at least
 * the old length, has to be remembered. */
#define WATCHED_RESIZE(fd, from, to, CALL)                                     \
  do {                                                                         \
    pthread_mutex_lock(&mutex);                                                \
    struct watched* f = find(fd);                                              \
    if (f)                                                                     \
      remember(f, (uint64_t)(from), (uint64_t)(to));                           \
    int result = CALL;                                                         \
    int why = errno;                                                           \
    pthread_mutex_unlock(&mutex);                                              \
    errno = why;                                                               \
    return result;                                                             \
  } while (0)

int ftruncate(int fd, off_t size) {
  WATCHED_RESIZE(fd, size, INT64_MAX - block, REAL(ftruncate)(fd, size));
}

int fallocate(int fd, int mode, off_t from, off_t n) {
  WATCHED_RESIZE(fd, from, from + n, REAL(fallocate)(fd, mode, from, n));
}

int posix_fallocate(int fd, off_t from, off_t n) {
  WATCHED_RESIZE(fd, from, from + n, REAL(posix_fallocate)(fd, from, n));
}

int truncate(const char* path, off_t size) {
  int fd = REAL(open)(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  int result = ftruncate(fd, size);
  int why = errno;
  close(fd);
  errno = why;
  return result;
}

/* -- syncing --------------------------------------------------------------- */

static int sync_with(int fd, int (*call)(int)) {
  char path[4096];
  pthread_mutex_lock(&mutex);
  struct watched* f = find(fd);
  int result = f && lies ? 0 : call(fd);
  int why = errno;
  if (f && !lies && result == 0 && REAL(ftruncate)(f->log, 0) != 0)
    give_up("undo log");
  if (!f && directory && log_directory && path_of(fd, path, sizeof path)
      && strcmp(path, directory) == 0)
    close(open_log("dir.undo", O_WRONLY | O_TRUNC));
  pthread_mutex_unlock(&mutex);
  errno = why;
  return result;
}

int fsync(int fd) {
  return sync_with(fd, REAL(fsync));
}

int fdatasync(int fd) {
  return sync_with(fd, REAL(fdatasync));
}

/* -- names ----------------------------------------------------------------- */

static void note(const char* what, const char* a, const char* b,
                 const char* c) {
  char line[1024];
  int n = snprintf(line, sizeof line, "%s %s %s %s\n", what, a, b, c);
  int fd = open_log("dir.undo", O_WRONLY | O_APPEND);
  if (REAL(write)(fd, line, (size_t)n) != n)
    give_up("dir.undo");
  close(fd);
}

/* Gives the contents of a name a second one that lasts; "-" if it has none. */
static void keep(const char* path, char* name, size_t size) {
  static unsigned count;
  char to[4096];
  do {
    snprintf(name, size, "kept-%u", count++);
    snprintf(to, sizeof to, "%s/%s", log_directory, name);
  } while (access(to, F_OK) == 0);
  if (link(path, to) != 0)
    snprintf(name, size, "-");
}

int unlink(const char* path) {
  const char* name = name_in(path);
  if (name) {
    char kept[64];
    pthread_mutex_lock(&mutex);
    keep(path, kept, sizeof kept);
    if (kept[0] != '-')
      note("unlink", name, "-", kept);
    pthread_mutex_unlock(&mutex);
  }
  return REAL(unlink)(path);
}

int rename(const char* from, const char* to) {
  const char* a = name_in(from);
  const char* b = name_in(to);
  if (a && b) {
    char kept[64];
    pthread_mutex_lock(&mutex);
    keep(to, kept, sizeof kept);
    note("rename", a, b, kept);
    pthread_mutex_unlock(&mutex);
  }
  return REAL(rename)(from, to);
}

static int open_at(int at, const char* path, int flags, mode_t mode) {
  if (boot_id && strcmp(path, "/proc/sys/kernel/random/boot_id") == 0)
    path = boot_id;
  const char* name = flags & O_CREAT ? name_in(path) : NULL;
  int makes = name && faccessat(at, path, F_OK, 0) != 0;
  if (makes) {
    pthread_mutex_lock(&mutex);
    note("create", name, "-", "-");
    pthread_mutex_unlock(&mutex);
  }
  return REAL(openat)(at, path, flags, mode);
}

#define OPEN_MODE(flags, mode)                                                 \
  mode_t mode = 0;                                                             \
  if ((flags) & (O_CREAT | __O_TMPFILE)) {                                     \
    va_list rest;                                                              \
    va_start(rest, flags);                                                     \
    mode = va_arg(rest, mode_t);                                               \
    va_end(rest);                                                              \
  }

int open(const char* path, int flags, ...) {
  OPEN_MODE(flags, mode)
  return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char* path, int flags, ...) {
  OPEN_MODE(flags, mode)
  return open_at(at, path, flags, mode);
}

/* -- the same by their other names ----------------------------------------- */

#define SAME(name, of) __typeof__(of) name __attribute__((alias(#of)))

SAME(open64, open);
SAME(openat64, openat);
SAME(pwrite64, pwrite);
SAME(pwritev64, pwritev);
SAME(ftruncate64, ftruncate);
SAME(truncate64, truncate);
SAME(fallocate64, fallocate);
SAME(posix_fallocate64, posix_fallocate);
