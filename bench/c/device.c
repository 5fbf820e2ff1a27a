/*
 * The device process of bench/compare: simulates a NIC on memory that it shares with one driver process for each peer.
 * It starts and ends the drivers, and wakes one at a time: the others sleep in read(2).
 *
 * Reads one command per line on stdin, with fields separated by tabs. Replies to each with one line of JSON on stdout. If
 * something fails, the reply is {"error": ...}, and the process exits. The commands are:
 *
 *   spawn INDEX NAME CHIP PROGRAM ARGUMENT...
 *     starts a driver on region INDEX; CHIP is 8168 or 8125
 *   end INDEX
 *     ends the driver on region INDEX
 *   window LOAD MBIT BYTES BATCH MICROSECONDS INDEX...
 *     runs a measurement window with each driver; LOAD is drop, generate or forward; MBIT 0 means saturated; BYTES
 *     includes the FCS, and 0 means a mix of lengths
 *   latency BYTES MICROSECONDS INDEX...
 *     runs a measurement window of requests and responses with each driver
 *   histogram INDEX
 *     reports all times of a driver's requests since the last such command
 *
 * The drivers end with this process in any case, and the shared memory has no name, so nothing is left behind.
 */
#define _GNU_SOURCE
#include "window.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PEERS = 16, FIELDS = 40, LINE = 4096 };
/* Length in bytes of the part of a DMA window that is mapped in advance. Rings of 1024 descriptors and their buffers fit in it. */
enum { USED_BYTES = 8 << 20 };
#define START_LIMIT (30000 * MS)
#define END_LIMIT (2000 * MS)
static const struct sizes MIX = {12, {60, 60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 590}};

static struct peer peers[PEERS];
static struct histogram sums[PEERS];
static uint8_t *shared;

static void fail(const char *what) {
    printf("{\"error\":\"%s\"}\n", what);
    fflush(stdout);
    exit(1);
}

void peer_failed(const struct peer *peer, const char *what) {
    char text[256];
    snprintf(text, sizeof text, "%s %s", peer->name, what);
    fail(text);
    abort();
}

static void pin(pid_t pid, int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(pid, sizeof set, &set);
}

static int device_cpu, driver_cpu;
static cpu_set_t allowed;

/* Chooses two of the processors that this process may use, on different cores if possible. */
static void choose_processors(void) {
    int found[CPU_SETSIZE], count = 0;
    sched_getaffinity(0, sizeof allowed, &allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed)) found[count++] = cpu;
    if (count < 2) fail("two processors are needed, one for the device and one for the drivers");
    device_cpu = found[0];
    char path[96];
    int first = -1, second = -1;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", device_cpu);
    FILE *file = fopen(path, "r");
    if (file) {
        if (fscanf(file, "%d%*[,-]%d", &first, &second) < 2) second = -1;
        fclose(file);
    }
    int sibling = first == device_cpu ? second : first;
    driver_cpu = count > 2 && found[1] == sibling ? found[2] : found[1];
}

static struct peer *peer_at(const char *index) {
    int i = atoi(index);
    if (i < 0 || i >= PEERS) fail("no such region");
    return &peers[i];
}

static void run_driver(char **argv, int input) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    /*
     * Here the process may run on any processor. Later only the thread that runs the driver is pinned, not the other
     * threads of the JavaScript engine.
     */
    sched_setaffinity(0, sizeof allowed, &allowed);
    /* stdout carries the device's replies, so a driver's output goes to stderr. */
    if (dup2(input, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) _exit(126);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static uint64_t address_in(const struct peer *peer, unsigned at) {
    uint64_t value;
    memcpy(&value, (const uint8_t *)peer->registers + at, sizeof value);
    return value;
}

/* Maps the rings and buffers of a driver that keeps them outside the DMA window. */
static void map_own_memory(struct peer *peer) {
    char path[64];
    const struct control *control = peer->control;
    snprintf(path, sizeof path, "/proc/%d/fd/%u", peer->pid, control->memory_fd);
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, control->memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
    if (file < 0 || memory == MAP_FAILED) peer_failed(peer, "has memory that cannot be mapped");
    close(file);
    peer->memory = memory;
    peer->iova = control->memory_base;
    peer->bytes = control->memory_bytes;
}

static void release_memory(struct peer *peer) {
    if (peer->control && peer->control->memory_bytes > 0) munmap(peer->memory, peer->bytes);
}

static void spawn(const char *index, const char *name, const char *chip, char **argv) {
    struct peer *peer = peer_at(index);
    int wake[2];
    uint8_t *region = shared + (size_t)(peer - peers) * REGION_BYTES, *window = region + WINDOW_OFFSET;
    if (pipe2(wake, O_CLOEXEC) != 0) fail("pipe");
    memset(region, 0, WINDOW_OFFSET);
    /* Maps the pages now if the kernel supports that, so that no page faults occur during a measurement. */
    madvise(window, USED_BYTES, MADV_POPULATE_WRITE);
    free((char *)peer->name);
    *peer = (struct peer){.name = strdup(name), .wake = wake[1], .registers = region,
                          .control = (struct control *)(region + PAGE), .memory = window, .iova = WINDOW_IOVA,
                          .bytes = WINDOW_BYTES, .is_8125 = strcmp(chip, "8125") == 0};
    if (peer->is_8125) {
        /* The registers of an RTL8125B need more than a page, so they are at the start of the DMA window. */
        peer->registers = window;
        set_up_8125b(window);
    }
    peer->pid = fork();
    if (peer->pid == 0) run_driver(argv, wake[0]);
    close(wake[0]);
    if (peer->pid < 0) fail("fork");
    wait_for_state(peer, DRIVER_IDLE, (struct patience){now_ns() + START_LIMIT, UINT64_MAX}, "does not come up");
    if (peer->control->memory_bytes > 0) map_own_memory(peer);
    peer->rx = (struct descriptor *)memory_at(peer, address_in(peer, RDSAR), sizeof *peer->rx);
    peer->tx = (struct descriptor *)memory_at(peer, address_in(peer, TNPDS), sizeof *peer->tx);
    pin(peer->pid, driver_cpu);
    printf("{\"pid\":%d}\n", peer->pid);
}

static struct peer *running_peer(const char *index) {
    struct peer *peer = peer_at(index);
    if (peer->pid <= 0) fail("no driver runs on this region");
    return peer;
}

static void end(const char *index) {
    struct peer *peer = peer_at(index);
    close(running_peer(index)->wake);
    /* A driver exits at the end of its input. It may take a while, because it writes its compile cache first. */
    uint64_t limit = now_ns() + END_LIMIT;
    while (waitpid(peer->pid, NULL, WNOHANG) == 0) {
        if (now_ns() > limit) kill(peer->pid, SIGKILL);
        usleep(1000);
    }
    peer->pid = 0;
    release_memory(peer);
    printf("{}\n");
}

static struct sizes sizes_of(const char *bytes) {
    uint32_t with_fcs = (uint32_t)atoi(bytes);
    if (with_fcs == 0) return MIX;
    if (with_fcs < SHORTEST + FCS || with_fcs > LONGEST + FCS) fail("frames have 64 to 1518 bytes");
    return (struct sizes){1, {with_fcs - FCS}};
}

static enum load load_named(const char *name) {
    if (strcmp(name, "drop") == 0) return DROP;
    if (strcmp(name, "generate") == 0) return GENERATE;
    if (strcmp(name, "forward") != 0) fail("no such load");
    return FORWARD;
}

static void print_outcome(const struct peer *peer, const struct outcome *o) {
    printf("{\"peer\":%td,\"ns\":%lu,\"stalled\":%lu,\"cpu\":%lu,\"frames\":%lu,\"missed\":%lu,\"lost\":%lu,\"doubled\":%lu,\"reordered\":%lu,"
           "\"damaged\":%lu,\"collections\":%u",
           peer - peers, o->ns, o->stalled, o->cpu, o->frames, o->missed, o->lost, o->doubled, o->reordered, o->damaged, o->collections);
}

static void windows(char **field, int count) {
    struct task task = {load_named(field[1]), atof(field[2]), sizes_of(field[3]), (uint32_t)atoi(field[4]),
                        (uint64_t)atoi(field[5]) * 1000};
    printf("[");
    for (int i = 6; i < count; i++) {
        struct peer *peer = running_peer(field[i]);
        struct outcome outcome = run_window(peer, &task);
        if (i > 6) printf(",");
        print_outcome(peer, &outcome);
        printf("}");
    }
    printf("]\n");
}

static void latencies(char **field, int count) {
    static struct histogram times;
    struct task task = {FORWARD, 0, sizes_of(field[1]), 32, (uint64_t)atoi(field[2]) * 1000};
    printf("[");
    for (int i = 3; i < count; i++) {
        struct peer *peer = running_peer(field[i]);
        memset(&times, 0, sizeof times);
        struct outcome outcome = run_latency(peer, &task, &times);
        add(&sums[peer - peers], &times);
        if (i > 3) printf(",");
        print_outcome(peer, &outcome);
        printf(",\"p50\":%lu,\"p99\":%lu,\"p999\":%lu}", percentile_of(&times, .5), percentile_of(&times, .99),
               percentile_of(&times, .999));
    }
    printf("]\n");
}

static void print_histogram(const char *index) {
    struct histogram *h = &sums[peer_at(index) - peers];
    const char *separator = "";
    printf("{\"p50\":%lu,\"p90\":%lu,\"p99\":%lu,\"p999\":%lu,\"p9999\":%lu,\"max\":%lu,\"frames\":%lu,\"bins\":[",
           percentile_of(h, .5), percentile_of(h, .9), percentile_of(h, .99), percentile_of(h, .999), percentile_of(h, .9999),
           h->max, h->total);
    for (unsigned i = 0; i < BINS; i++) {
        if (h->count[i] == 0) continue;
        printf("%s[%lu,%u]", separator, bound_of(i), h->count[i]);
        separator = ",";
    }
    printf("]}\n");
    memset(h, 0, sizeof *h);
}

static void execute(char **field, int count) {
    if (strcmp(field[0], "spawn") == 0 && count >= 5) spawn(field[1], field[2], field[3], field + 4);
    else if (strcmp(field[0], "end") == 0 && count == 2) end(field[1]);
    else if (strcmp(field[0], "window") == 0 && count >= 7) windows(field, count);
    else if (strcmp(field[0], "latency") == 0 && count >= 4) latencies(field, count);
    else if (strcmp(field[0], "histogram") == 0 && count == 2) print_histogram(field[1]);
    else fail("not a command");
    fflush(stdout);
}

int main(void) {
    static char line[LINE];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    choose_processors();
    pin(0, device_cpu);
    int memory = memfd_create("ferrule-compare", 0);
    if (memory < 0 || ftruncate(memory, (off_t)PEERS * REGION_BYTES) != 0) fail("no shared memory");
    if (memory != MEMORY_FD && (dup2(memory, MEMORY_FD) < 0 || close(memory) != 0)) fail("no shared memory");
    shared = mmap(NULL, (size_t)PEERS * REGION_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY_FD, 0);
    if (shared == MAP_FAILED) fail("no shared memory");
    while (fgets(line, sizeof line, stdin)) {
        char *field[FIELDS + 1] = {0};
        int count = 0;
        line[strcspn(line, "\n")] = 0;
        for (char *at = line; at && count < FIELDS;) field[count++] = strsep(&at, "\t");
        execute(field, count);
    }
    return 0;
}
