/* Two TAPs and a loop between them: the common part of the reference programs of bench/tcp.ts.
 *
 * The TAPs are configured as Ferrule configures its own: a virtio-net header of 12 bytes and checksum and TCP
 * segmentation offload, unless they are plain. A program prints "ready" once both TAPs exist. On SIGTERM, on SIGINT or
 * when its parent dies, it prints its counters as JSON and ends. */
#ifndef FERRULE_TAP_H
#define FERRULE_TAP_H
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { HEADER = 12, BUFFER = 68 * 1024, BUDGET = 64 };

struct direction {
    int from, to, stop;
    uint64_t frames, bytes, dropped;
    /* Passes on the frame of `length` bytes in the buffer. Returns the number of bytes written; -1 if it is lost. */
    ssize_t (*carry)(struct direction *, size_t length);
    uint8_t buffer[BUFFER] __attribute__((aligned(64)));
};

static inline void fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline int open_tap(const char *name, int plain) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (strlen(name) >= sizeof request.ifr_name) {
        fprintf(stderr, "%s: an interface name has at most 15 bytes\n", name);
        exit(2);
    }
    memcpy(request.ifr_name, name, strlen(name));
    if (!plain) request.ifr_flags |= IFF_VNET_HDR;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) fail("/dev/net/tun");
    if (ioctl(fd, TUNSETIFF, &request) < 0) fail(name);
    if (plain) return fd;
    int header = HEADER;
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) fail("TUNSETVNETHDRSZ");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("TUNSETOFFLOAD");
    return fd;
}

/* Moves at most BUDGET frames, so that neither direction starves the other. Returns 0 when the TAP is gone. */
static inline int move_frames(struct direction *d) {
    for (int i = 0; i < BUDGET; i++) {
        ssize_t length = read(d->from, d->buffer, BUFFER);
        if (length < 0) return errno == EAGAIN || errno == EINTR || errno == EIO;
        if (d->carry(d, (size_t)length) > 0) {
            d->frames++;
            d->bytes += (uint64_t)length;
        } else {
            d->dropped++; /* the interface is down or its queue is full: the frame is lost, as on a cable */
        }
    }
    return 1;
}

/* Serves one direction if `count` is 1, otherwise both. */
static inline void serve(struct direction *d, int count) {
    struct pollfd wait[3] = {{.fd = d[0].stop, .events = POLLIN}};
    for (int i = 0; i < count; i++) wait[1 + i] = (struct pollfd){.fd = d[i].from, .events = POLLIN};
    for (;;) {
        if (poll(wait, (nfds_t)count + 1, -1) < 0 && errno != EINTR) fail("poll");
        if (wait[0].revents) return;
        for (int i = 0; i < count; i++)
            if (wait[1 + i].revents & ~POLLIN || (wait[1 + i].revents && !move_frames(&d[i]))) {
                fprintf(stderr, "a TAP is gone\n");
                return;
            }
    }
}

static inline void *serve_one(void *direction) {
    serve(direction, 1);
    return NULL;
}

/* Opens both TAPs and serves them until a signal arrives. `carry` has a function for each direction. */
static inline int run(char **names, int plain, int threads, ssize_t (*const carry[2])(struct direction *, size_t)) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int stop = signalfd(-1, &ends, SFD_CLOEXEC);
    if (stop < 0) fail("signalfd");

    static struct direction d[2];
    int a = open_tap(names[0], plain), b = open_tap(names[1], plain);
    d[0].from = d[1].to = a;
    d[0].to = d[1].from = b;
    for (int i = 0; i < 2; i++) d[i].stop = stop, d[i].carry = carry[i];
    puts("ready");
    fflush(stdout);

    if (threads) {
        /* The signal stays unread in the descriptor, so it wakes both threads. */
        pthread_t other;
        errno = pthread_create(&other, NULL, serve_one, &d[1]);
        if (errno) fail("pthread_create");
        serve(&d[0], 1);
        pthread_join(other, NULL);
    } else {
        serve(d, 2);
    }
    printf("{\"frames\":[%lu,%lu],\"bytes\":[%lu,%lu],\"dropped\":[%lu,%lu]}\n", d[0].frames, d[1].frames, d[0].bytes,
           d[1].bytes, d[0].dropped, d[1].dropped);
    return 0;
}
#endif
