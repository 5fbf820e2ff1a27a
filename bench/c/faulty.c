/* A driver process with a fault, which the device process must detect. The driver copies each frame to a buffer of
 * its own.
 *
 * usage: faulty FAULT REGION    FAULT: none, or as in `faults` below */
#include "process.h"

/* A fault that affects single frames affects one in RARE frames. */
enum { RARE = 1000, FRAME_ROOM = BUFFER };

static const char *fault;
static uint8_t held[FRAME_ROOM];
static uint32_t held_length, count;

static int has(const char *name) { return strcmp(fault, name) == 0; }

static void post(uint32_t slot, uint64_t address, uint32_t length) {
    tx[slot].address = address;
    give(&tx[slot], OWN | FS | LS | end_of_ring(slot) | length);
    tx_next = (slot + 1) & MASK;
}

static void send(const uint8_t *frame, uint32_t length) {
    uint8_t *copy = arena + tx_buffer[tx_next];
    memcpy(copy, frame, length);
    swap_macs(copy);
    post(tx_next, (uintptr_t)copy, length);
}

static void send_wrong(uint8_t *frame, uint32_t length) {
    if (has("lost")) return;
    if (has("changed")) frame[0] ^= 1;
    if (has("shortened")) length--;
    if (has("reordered")) {
        memcpy(held, frame, length);
        held_length = length;
        return;
    }
    if (has("outside")) post(tx_next, WINDOW_IOVA + WINDOW_BYTES - 1, length);
    else send(frame, length);
    if (has("doubled")) send(frame, length);
}

static int has_room(void) {
    return !(load_opts1(&tx[tx_next]) & OWN) && !(load_opts1(&tx[(tx_next + 1) & MASK]) & OWN);
}

static uint32_t forward(uint32_t budget) {
    uint32_t done = 0;
    for (; done < budget && has_room(); done++, rx_next = (rx_next + 1) & MASK) {
        struct descriptor *r = &rx[rx_next];
        uint32_t opts1 = load_opts1(r), length = (opts1 & RX_LENGTH) - FCS;
        if (opts1 & OWN) break;
        uint8_t *frame = arena + rx_buffer[rx_next];
        if (++count % RARE == 0) send_wrong(frame, length);
        else send(frame, length);
        if (held_length > 0 && count % RARE == 1) {
            send(held, held_length);
            held_length = 0;
        }
        give(r, OWN | end_of_ring(rx_next) | BUFFER);
    }
    if (done > 0 && !(has("silent") && count > RARE)) *doorbell = POLL_NORMAL;
    return done;
}

int main(int argc, char **argv) {
    static const char *const faults[] = {"none", "lost", "doubled", "reordered", "changed", "shortened", "outside",
                                         "silent", "mute", "stuck", "ends", "never-up"};
    for (unsigned i = 0; argc == 3 && i < sizeof faults / sizeof *faults; i++)
        if (strcmp(argv[1], faults[i]) == 0) fault = faults[i];
    if (!fault) return 2;
    struct control *control = attach(argv[2]);
    if (has("never-up")) pause();
    set_state(control, DRIVER_IDLE);
    while (is_woken()) {
        set_state(control, DRIVER_RUNNING);
        if (has("ends")) return 3;
        while (!is_stopped(control) || (has("stuck") && count > RARE))
            if (!has("mute")) forward(control->batch);
        set_state(control, DRIVER_IDLE);
    }
    return 0;
}
