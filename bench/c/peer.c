/* A driver process in C. It runs one of the variants that rings.h lists, on memory that it shares with the device process (device.c).
 *
 * usage: peer VARIANT REGION started by the device; reads a byte from stdin for each measurement window, ends at end
 *                             of file */
#include "process.h"

#include "bursts.h"
#include "careful.h"
#include "minimal.h"

typedef unsigned (*pass_fn)(unsigned budget);

static const struct variant {
    const char *name;
    pass_fn pass[3]; /* the functions that make a pass, indexed by enum load */
} variants[] = {
    {"minimal", {forward_minimal, drop_minimal, generate_minimal}},
    {"careful", {forward_careful, drop_careful, generate_careful}},
    {"bursts", {forward_waiting, drop_bursts, generate_bursts}},
};

static void serve(const struct variant *variant, struct control *control) {
    while (is_woken()) {
        pass_fn pass = variant->pass[control->load];
        uint32_t batch = control->batch, frames = 0;
        /* Drops frames that `bursts` had built but not sent when the last measurement window ended. */
        waiting = 0;
        sequence = control->first;
        sent_length = control->bytes;
        disorder = 0;
        set_state(control, DRIVER_RUNNING);
        do {
            for (unsigned i = 0; i < PASSES; i++) frames += pass(batch);
            __atomic_store_n(&control->frames, frames, __ATOMIC_RELAXED);
        } while (!is_stopped(control));
        control->disorder = disorder;
        set_state(control, DRIVER_IDLE);
    }
}

int main(int argc, char **argv) {
    const struct variant *variant = NULL;
    for (unsigned i = 0; argc == 3 && i < sizeof variants / sizeof *variants; i++)
        if (strcmp(argv[1], variants[i].name) == 0) variant = &variants[i];
    if (!variant) {
        fprintf(stderr, "usage: peer minimal|careful|bursts REGION, started by the device\n");
        return 2;
    }
    struct control *control = attach(argv[2]);
    bring_up_bursts();
    set_state(control, DRIVER_IDLE);
    serve(variant, control);
    return 0;
}
