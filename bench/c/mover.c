/* Moves frames between two TAPs and does nothing else: what bench/tcp.ts holds Ferrule's TCP path against.
 *
 * The TAPs are configured as Ferrule configures its own: a virtio-net header of 12 bytes and checksum and TCP segmentation
 * offload, so a 64 KiB super-frame crosses in one read and one write. `--plain` asks for neither. `--threads` gives each
 * direction a thread. Prints "ready" once both TAPs exist; ends on SIGTERM, SIGINT, or when its parent dies, and then prints
 * its counters as JSON.
 *
 * usage: mover [--plain] [--threads] TAP TAP */
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
    uint8_t buffer[BUFFER];
};

static void fail(const char *what) {
    fprintf(stderr, "mover: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_tap(const char *name, int plain) {
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    if (strlen(name) >= sizeof request.ifr_name) {
        fprintf(stderr, "mover: %s: an interface name has at most 15 bytes\n", name);
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

/* Moves up to BUDGET frames, so that neither direction starves the other. Returns 0 when the TAP is gone. */
static int move(struct direction *d) {
    for (int i = 0; i < BUDGET; i++) {
        ssize_t length = read(d->from, d->buffer, BUFFER);
        if (length < 0) return errno == EAGAIN || errno == EINTR || errno == EIO;
        if (write(d->to, d->buffer, (size_t)length) == length) {
            d->frames++;
            d->bytes += (uint64_t)length;
        } else {
            d->dropped++; /* the interface is down, or its queue is full: a cable has no memory either */
        }
    }
    return 1;
}

/* Serves one direction (`count` 1) or both. */
static void serve(struct direction *d, int count) {
    struct pollfd wait[3] = {{.fd = d[0].stop, .events = POLLIN}};
    for (int i = 0; i < count; i++) wait[1 + i] = (struct pollfd){.fd = d[i].from, .events = POLLIN};
    for (;;) {
        if (poll(wait, (nfds_t)count + 1, -1) < 0 && errno != EINTR) fail("poll");
        if (wait[0].revents) return;
        for (int i = 0; i < count; i++)
            if (wait[1 + i].revents & ~POLLIN || (wait[1 + i].revents && !move(&d[i]))) {
                fprintf(stderr, "mover: a TAP is gone\n");
                return;
            }
    }
}

static void *serve_one(void *direction) {
    serve(direction, 1);
    return NULL;
}

int main(int argc, char **argv) {
    int plain = 0, threads = 0, i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (strcmp(argv[i], "--plain") == 0) plain = 1;
        else if (strcmp(argv[i], "--threads") == 0) threads = 1;
        else break;
    }
    if (argc - i != 2 || argv[i][0] == '-') {
        fprintf(stderr, "usage: mover [--plain] [--threads] TAP TAP\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    int stop = signalfd(-1, &ends, SFD_CLOEXEC);
    if (stop < 0) fail("signalfd");

    static struct direction d[2];
    int a = open_tap(argv[i], plain), b = open_tap(argv[i + 1], plain);
    d[0].from = d[1].to = a;
    d[0].to = d[1].from = b;
    d[0].stop = d[1].stop = stop;
    puts("ready");
    fflush(stdout);

    if (threads) {
        /* The signal stays pending in the descriptor, unread, so it wakes both threads. */
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
