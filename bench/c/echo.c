/* Requests and responses over UDP, one at a time, for the round trips of bench/guest.ts.
 *
 * It is linked statically, so that it runs in a guest with other libraries. `serve` echoes requests until its parent
 * dies. `ask` prints the time of each round trip in nanoseconds, one per line, and -1 if there is no reply within a
 * second.
 *
 * usage: echo serve PORT | echo ask ADDRESS PORT COUNT BYTES */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1472, WARM_UP = 50 };

static void fail(const char *what) {
    fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static _Noreturn void serve(int fd, struct sockaddr_in *at) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (bind(fd, (struct sockaddr *)at, sizeof *at) < 0) fail("bind");
    puts("ready");
    fflush(stdout);
    for (;;) {
        char data[MOST];
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t length = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (length >= 0) sendto(fd, data, (size_t)length, 0, (struct sockaddr *)&from, size);
    }
}

/* Replies that come too late are recognised by their older number, and skipped. */
static int64_t ask_once(int fd, uint32_t number, size_t bytes) {
    char data[MOST] = {0};
    memcpy(data, &number, sizeof number);
    int64_t start = now();
    if (send(fd, data, bytes, 0) < 0) fail("send");
    for (;;) {
        uint32_t answer;
        ssize_t length = recv(fd, data, sizeof data, 0);
        if (length < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
        if (length < (ssize_t)sizeof answer) fail("recv");
        memcpy(&answer, data, sizeof answer);
        if (answer == number) return now() - start;
    }
}

static int ask(int fd, struct sockaddr_in *at, uint32_t count, size_t bytes) {
    struct timeval limit = {.tv_sec = 1};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)at, sizeof *at) < 0) fail("connect");
    for (uint32_t i = 0; i < count + WARM_UP; i++) {
        int64_t took = ask_once(fd, i, bytes);
        if (i >= WARM_UP) printf("%lld\n", (long long)took);
    }
    return 0;
}

int main(int argc, char **argv) {
    int server = argc == 3 && strcmp(argv[1], "serve") == 0;
    if (!server && (argc != 6 || strcmp(argv[1], "ask") != 0)) {
        fputs("usage: echo serve PORT | echo ask ADDRESS PORT COUNT BYTES\n", stderr);
        return 2;
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[server ? 2 : 3]))};
    if (server) serve(fd, &at);
    if (inet_pton(AF_INET, argv[2], &at.sin_addr) != 1) fail(argv[2]);
    size_t bytes = (size_t)atoi(argv[5]);
    if (bytes < sizeof(uint32_t) || bytes > MOST) fail("bytes");
    return ask(fd, &at, (uint32_t)atoi(argv[4]), bytes);
}
