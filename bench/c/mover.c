/* Moves frames between two TAPs, and does nothing else: a reference for Ferrule's TCP path in bench/tcp.ts. A 64 KiB super-frame takes one
 * read and one write. `--plain` requests no offloads. `--threads` gives each direction a thread.
 *
 * usage: mover [--plain] [--threads] TAP TAP */
#include "tap.h"

static ssize_t carry(struct direction *d, size_t length) {
    return write(d->to, d->buffer, length) == (ssize_t)length ? (ssize_t)length : -1;
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
    return run(argv + i, plain, threads, (ssize_t(*const[2])(struct direction *, size_t)){carry, carry});
}
