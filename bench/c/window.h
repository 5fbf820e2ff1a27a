/*
 * One measurement window of one driver: wakes the driver, simulates its device for some milliseconds, stops the driver,
 * and returns the result.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include "histogram.h"
#include "paired.h"
#include "wire.h"

#include <errno.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 64 };
/* Number of times that the device polls for a response between two checks of the driver's time limit. */
enum { LOOKS = 1 << 16 };
#define MS 1000000ull
/*
 * Limits of a driver's processor time and real time. Starting, stopping or handling a frame takes microseconds of
 * processor time, but the driver may wait long for a processor.
 */
#define CPU_LIMIT (200 * MS)
#define WAIT_LIMIT (20000 * MS)
/*
 * If two steps of the device are more than this many ns apart, the process is assumed not to have been running, and the
 * time between the steps is not counted.
 */
#define STALL (20 * 1000ull)
/*
 * Time in ns after which the device reads the ring again if it found too few buffers. A NIC fetches descriptors over
 * its bus, and continuous polling would take the descriptors' cache lines from the driver.
 */
#define FETCH 500ull
/* Time in ns for which the driver and the device run before the measurement starts. */
#define RUN_IN (1 * MS)
/* Number of bytes that preamble and gap take on the line for each frame. */
enum { LINE_OVERHEAD = 20 };

struct task {
    enum load load;
    double rate; /* in Mbit/s; 0 means without limit */
    struct sizes sizes;
    uint32_t batch;
    uint64_t ns;
};

struct outcome {
    /* `ns` excludes `stalled`, the time in which this process was not running. */
    uint64_t ns, stalled, cpu, frames, missed;
    uint64_t lost, doubled, reordered, damaged;
    uint32_t collections;
};

static uint64_t cpu_of(const struct peer *peer) {
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(peer->pid, &clock) != 0 || clock_gettime(clock, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

/* The limits of a driver: a point in real time, and an amount of processor time. */
struct patience {
    uint64_t end, cpu_end;
};

static struct patience new_patience(const struct peer *peer) {
    return (struct patience){now_ns() + WAIT_LIMIT, cpu_of(peer) + CPU_LIMIT};
}

/* Fails if the driver has ended. */
static void check_alive(struct peer *peer) {
    int status;
    char what[64];
    if (waitpid(peer->pid, &status, WNOHANG) != peer->pid) return;
    peer->pid = 0;
    if (WIFSIGNALED(status)) snprintf(what, sizeof what, "was ended by signal %d", WTERMSIG(status));
    else snprintf(what, sizeof what, "ended with exit code %d", WEXITSTATUS(status));
    peer_failed(peer, what);
}

/* True if the driver has reached one of its limits. Fails if the driver has ended. */
static int is_over(const struct patience *patience, struct peer *peer) {
    check_alive(peer);
    return now_ns() > patience->end || cpu_of(peer) > patience->cpu_end;
}

static void wait_for_state(struct peer *peer, enum state state, struct patience patience, const char *otherwise) {
    while (__atomic_load_n(&peer->control->state, __ATOMIC_ACQUIRE) != state) {
        if (is_over(&patience, peer)) peer_failed(peer, otherwise);
        if (peer->is_8125) answer(&peer->commander, peer->registers);
        else if (state == DRIVER_IDLE) usleep(50);
    }
}

static void start(struct peer *peer, const struct task *task) {
    struct control *control = peer->control;
    control->load = task->load;
    control->batch = task->batch;
    control->bytes = task->sizes.length[0];
    control->first = peer->sequence.sent;
    control->stop = 0;
    peer->swapped = task->load == FORWARD;
    /* If the driver has ended, the loop below detects that. */
    if (write(peer->wake, "g", 1) < 0 && errno != EPIPE) peer_failed(peer, "cannot be woken");
    wait_for_state(peer, DRIVER_RUNNING, new_patience(peer), "does not start");
}

static void stop(struct peer *peer) {
    __atomic_store_n(&peer->control->stop, 1, __ATOMIC_SEQ_CST);
    wait_for_state(peer, DRIVER_IDLE, new_patience(peer), "does not stop");
}

struct line {
    double ns_per_byte; /* time per byte on the line; 0 means without limit */
    double next;        /* when the next frame may begin */
    uint64_t fetch;     /* when the device checks for receive buffers again */
    uint64_t missed;
};

static double time_of(const struct line *line, uint32_t length) {
    return (double)(length + FCS + LINE_OVERHEAD) * line->ns_per_byte;
}

/*
 * Delivers the frames that are due, at most BURST. At a limited rate, a frame without a buffer is lost, because a line
 * does not wait.
 */
static unsigned offer(struct peer *peer, struct line *line, const struct sizes *sizes, uint64_t now) {
    unsigned n = 0;
    if (line->ns_per_byte == 0) {
        if (now < line->fetch) return 0;
        n = deliver(peer, BURST, sizes);
        if (n < BURST) line->fetch = now + FETCH;
        return n;
    }
    for (unsigned i = 0; i < BURST && line->next <= (double)now; i++) {
        line->next += time_of(line, length_of(sizes, peer->sequence.sent));
        if (deliver(peer, 1, sizes)) n++;
        else line->missed++;
    }
    return n;
}

/* Takes frames from the driver at the line's rate. */
static unsigned take(struct peer *peer, struct line *line, const struct sizes *sizes, uint64_t now) {
    /* The driver chooses the sequence numbers, so the device accepts any number below this limit. */
    peer->sequence.sent = peer->sequence.expected + AHEAD / 2;
    if (line->ns_per_byte == 0) return collect(peer, BURST, sizes);
    double each = time_of(line, sizes->length[0]);
    unsigned due = line->next <= (double)now ? (unsigned)(((double)now - line->next) / each) + 1 : 0;
    unsigned n = due == 0 ? 0 : collect(peer, due < BURST ? due : BURST, sizes);
    line->next += n * each;
    /* After an idle time, the line does not run faster to make up for that time. */
    if (n < due && n < BURST && line->next < (double)now) line->next = (double)now;
    return n;
}

static unsigned step(struct peer *peer, const struct task *task, struct line *line, uint64_t now) {
    if (task->load == GENERATE) return take(peer, line, &task->sizes, now);
    unsigned offered = offer(peer, line, &task->sizes, now);
    return task->load == DROP ? offered : collect(peer, BURST, &task->sizes);
}

/* Runs the device until `end`. Returns the number of frames. Adds the time without a processor to `stalled`. */
static uint64_t run(struct peer *peer, const struct task *task, struct line *line, uint64_t end, uint64_t *stalled) {
    uint64_t frames = 0, last = now_ns();
    line->next = (double)last;
    for (uint64_t now = last; now < end; last = now) {
        frames += step(peer, task, line, now);
        now = now_ns();
        if (now - last <= STALL) continue;
        *stalled += now - last;
        line->next += (double)(now - last);
    }
    return frames;
}

/* Waits for the frames in flight, and then stops the driver. With GENERATE, stops it first and then takes its frames. */
static void drain(struct peer *peer, const struct task *task) {
    struct sequence *s = &peer->sequence;
    struct patience patience = new_patience(peer);
    if (task->load == GENERATE) {
        stop(peer);
        s->sent = peer->control->first + peer->control->frames;
        while (collect(peer, BURST, &task->sizes) > 0 || (!peer->is_8125 && is_rung(peer))) {}
        return;
    }
    if (task->load == FORWARD) {
        while (!all_back(s) && !is_over(&patience, peer))
            if (collect(peer, BURST, &task->sizes) > 0) patience = new_patience(peer);
    } else {
        uint32_t offered = s->sent - peer->control->first;
        while (__atomic_load_n(&peer->control->frames, __ATOMIC_ACQUIRE) != offered && !is_over(&patience, peer)) {}
    }
    stop(peer);
}

/* With DROP the driver checks the sequence numbers, so the device uses the driver's counts. */
static void account_dropped(struct peer *peer) {
    struct sequence *s = &peer->sequence;
    uint32_t offered = s->sent - peer->control->first, taken = peer->control->frames;
    if (taken < offered) s->lost += offered - taken;
    else if (taken > offered) s->doubled += taken - offered;
    else s->reordered += peer->control->disorder;
    s->expected = s->sent;
}

static struct outcome run_window(struct peer *peer, const struct task *task) {
    struct line line = {.ns_per_byte = task->rate == 0 ? 0 : 8e3 / task->rate};
    struct outcome out = {0};
    struct sequence *s = &peer->sequence;
    uint64_t ignored = 0, stalled = 0;
    s->lost = s->doubled = s->reordered = s->damaged = 0;
    start(peer, task);
    run(peer, task, &line, now_ns() + RUN_IN, &ignored);
    line.missed = 0;
    uint64_t begin = now_ns(), cpu = cpu_of(peer);
    /* A driver whose processor is busy gets more time for its first frame. */
    struct patience patience = new_patience(peer);
    for (uint64_t end = begin + task->ns; out.frames == 0 && !is_over(&patience, peer); end += task->ns)
        out.frames = run(peer, task, &line, end, &stalled);
    out.ns = now_ns() - begin - stalled;
    out.stalled = stalled;
    out.cpu = cpu_of(peer) - cpu;
    out.missed = line.missed;
    drain(peer, task);
    if (task->load == DROP) account_dropped(peer);
    settle(s);
    out.collections = peer->control->collections;
    out.lost = s->lost;
    out.doubled = s->doubled;
    out.reordered = s->reordered;
    out.damaged = s->damaged;
    if (out.frames == 0) peer_failed(peer, "does not take or send a single frame");
    return out;
}

/* Measures request and response, one frame at a time. Frames that never come back count as lost. */
static struct outcome run_latency(struct peer *peer, const struct task *task, struct histogram *times) {
    struct outcome out = {0};
    struct sequence *s = &peer->sequence;
    s->lost = s->doubled = s->reordered = s->damaged = 0;
    start(peer, task);
    uint64_t begin = now_ns(), cpu = cpu_of(peer), end = begin + RUN_IN + task->ns, now = begin;
    while (now < end) {
        uint64_t sent = now = now_ns();
        unsigned back = 0;
        if (!deliver(peer, 1, &task->sizes)) peer_failed(peer, "has posted no receive buffer");
        struct patience patience = {sent + WAIT_LIMIT, UINT64_MAX};
        for (unsigned looks = 1; back == 0; looks++) {
            back = collect(peer, 1, &task->sizes);
            now = now_ns();
            if (looks % LOOKS) continue;
            if (patience.cpu_end == UINT64_MAX) patience = new_patience(peer);
            else if (is_over(&patience, peer)) break;
        }
        if (back == 0) break;
        if (now - begin < RUN_IN) continue;
        record(times, now - sent);
        out.frames++;
    }
    out.ns = now - begin;
    out.cpu = cpu_of(peer) - cpu;
    drain(peer, task);
    settle(s);
    out.collections = peer->control->collections;
    out.lost = s->lost;
    out.doubled = s->doubled;
    out.reordered = s->reordered;
    out.damaged = s->damaged;
    if (out.frames == 0) peer_failed(peer, "answers no request");
    return out;
}

#endif
