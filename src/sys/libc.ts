/** The functions of the C library that Ferrule calls: one table, in the form of the prototypes in the manual pages. */
import { bindLibrary } from "./ffi.ts";

// Addresses and sizes are u64, and therefore BigInts, which callers create once. The type `pointer` would cost
// microseconds in each call. Byte counts are returned as i32, which allocates nothing and is large enough, because
// Linux transfers at most 0x7ffff000 bytes at once.
//
// ioctl, open, fcntl and prctl are variadic in C; on Linux x86-64 and arm64 variadic integer arguments are passed like
// others.
//
// SAFETY: arguments match the prototypes on 64-bit Linux, glibc and musl. Functions that take addresses are called only
// from this room. The memory at these addresses stays reachable during the call, and is as long as the caller states.
export const libc = bindLibrary({
  /** int open(const char *path, int flags, mode_t mode) */
  open: { arguments: ["u64", "i32", "u32"], return: "i32" },
  /** int close(int fd) */
  close: { arguments: ["i32"], return: "i32" },
  /** ssize_t read(int fd, void *buffer, size_t count) */
  read: { arguments: ["i32", "u64", "u64"], return: "i32" },
  /** ssize_t write(int fd, const void *buffer, size_t count) */
  write: { arguments: ["i32", "u64", "u64"], return: "i32" },
  /** ssize_t readv(int fd, const struct iovec *vectors, int count) */
  readv: { arguments: ["i32", "u64", "i32"], return: "i32" },
  /** ssize_t writev(int fd, const struct iovec *vectors, int count) */
  writev: { arguments: ["i32", "u64", "i32"], return: "i32" },
  /** ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags) */
  preadv2: { arguments: ["i32", "u64", "i32", "i64", "i32"], return: "i32" },
  /** ssize_t pread(int fd, void *buffer, size_t count, off_t offset) */
  pread: { arguments: ["i32", "u64", "u64", "i64"], return: "i32" },
  /** ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset) */
  pwrite: { arguments: ["i32", "u64", "u64", "i64"], return: "i32" },
  /** int ftruncate(int fd, off_t length) */
  ftruncate: { arguments: ["i32", "i64"], return: "i32" },
  /** int fcntl(int fd, int command, long argument) */
  fcntl: { arguments: ["i32", "i32", "u64"], return: "i32" },
  /** int ioctl(int fd, unsigned long request, void *argument) */
  ioctl: { arguments: ["i32", "u64", "u64"], return: "i32" },
  /** int poll(struct pollfd *fds, nfds_t count, int milliseconds) */
  poll: { arguments: ["u64", "u64", "i32"], return: "i32" },
  /** long syscall(long number, ...): for calls without a function in the C library. */
  syscall: { arguments: ["i64", "u64", "u64", "u64", "u64", "u64"], return: "i32" },
  /** int sched_yield(void) */
  sched_yield: { arguments: [], return: "i32" },
  /** int eventfd(unsigned int initial, int flags) */
  eventfd: { arguments: ["u32", "i32"], return: "i32" },

  /** int memfd_create(const char *name, unsigned int flags) */
  memfd_create: { arguments: ["u64", "u32"], return: "i32" },
  /** void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) */
  mmap: { arguments: ["u64", "u64", "i32", "i32", "i32", "i64"], return: "u64" },
  /** int munmap(void *address, size_t length) */
  munmap: { arguments: ["u64", "u64"], return: "i32" },
  /** int madvise(void *address, size_t length, int advice) */
  madvise: { arguments: ["u64", "u64", "i32"], return: "i32" },

  /** int socket(int family, int type, int protocol) */
  socket: { arguments: ["i32", "i32", "i32"], return: "i32" },
  /** int socketpair(int family, int type, int protocol, int pair[2]) */
  socketpair: { arguments: ["i32", "i32", "i32", "u64"], return: "i32" },
  /** int bind(int fd, const struct sockaddr *address, socklen_t length) */
  bind: { arguments: ["i32", "u64", "u32"], return: "i32" },
  /** int listen(int fd, int backlog) */
  listen: { arguments: ["i32", "i32"], return: "i32" },
  /** int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) */
  accept4: { arguments: ["i32", "u64", "u64", "i32"], return: "i32" },
  /** int connect(int fd, const struct sockaddr *address, socklen_t length) */
  connect: { arguments: ["i32", "u64", "u32"], return: "i32" },
  /** int getsockopt(int fd, int level, int name, void *value, socklen_t *length) */
  getsockopt: { arguments: ["i32", "i32", "i32", "u64", "u64"], return: "i32" },
  /** ssize_t sendto(int fd, const void *buffer, size_t length, int flags, const struct sockaddr *to, socklen_t) */
  sendto: { arguments: ["i32", "u64", "u64", "i32", "u64", "u32"], return: "i32" },
  /** ssize_t recv(int fd, void *buffer, size_t length, int flags) */
  recv: { arguments: ["i32", "u64", "u64", "i32"], return: "i32" },
  /** ssize_t sendmsg(int fd, const struct msghdr *message, int flags) */
  sendmsg: { arguments: ["i32", "u64", "i32"], return: "i32" },
  /** ssize_t recvmsg(int fd, struct msghdr *message, int flags) */
  recvmsg: { arguments: ["i32", "u64", "i32"], return: "i32" },
  /** int shutdown(int fd, int how) */
  shutdown: { arguments: ["i32", "i32"], return: "i32" },

  /** int unshare(int flags) */
  unshare: { arguments: ["i32"], return: "i32" },
  /** int setns(int fd, int type) */
  setns: { arguments: ["i32", "i32"], return: "i32" },
  /** int prctl(int option, unsigned long, unsigned long, unsigned long, unsigned long) */
  prctl: { arguments: ["i32", "u64", "u64", "u64", "u64"], return: "i32" },
  /** int setrlimit(int resource, const struct rlimit *limit) */
  setrlimit: { arguments: ["i32", "u64"], return: "i32" },
  /** void _exit(int status) */
  _exit: { arguments: ["i32"], return: "void" },
  /** pid_t getppid(void) */
  getppid: { arguments: [], return: "i32" },

  /** char *strerror(int number) */
  strerror: { arguments: ["i32"], return: "u64" },
  /** int *__errno_location(void): the address of this thread's errno, in glibc and in musl. */
  __errno_location: { arguments: [], return: "u64" },
});
