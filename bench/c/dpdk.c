/* DPDK's own r8169 driver, unmodified, as a driver process beside the device process, or with the device in its own thread.
 *
 * The library is Debian's. The driver in it registers itself with `rte_pci_register`, which this file defines, so no
 * PCI bus is needed: the card, an RTL8125B, is a structure in this program, and its BAR is shared memory.
 *
 * usage: dpdk REGION started by the device; reads a byte from stdin for each measurement window, ends at end of file
 *        dpdk --paired    one round for each line "go NAME BATCH PASSES" on stdin */
#define _GNU_SOURCE
/* If RTE_USE_LIBBSD were defined, DPDK's headers would require libbsd. */
#include <rte_config.h>
#undef RTE_USE_LIBBSD

#include "paired.h"
#include "registers-8125.h"
#include "shared.h"

#include <pthread.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_mbuf.h>
#include <rte_pci.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RX_SLOTS = 1024, TX_SLOTS = 1024, SMALL_RX = 256, SMALL_TX = 1024, POOL = 8191, POOL_CACHE = 256, MOST = 1024 };
enum { RX_BUFFER_FRAME = 64, FCS = 4 };
#define OWN 0x80000000u
#define EOR 0x40000000u
#define WHOLE 0x30000000u

/* Declarations from DPDK 24.11's driver headers, which Debian does not ship. */
struct rte_pci_driver;
struct driver_head {
    void *next, **previous;
    const char *name, *alias;
};
struct card {
    void *next, **previous;
    struct {
        void *next, **previous;
        const char *name, *bus_info;
        const struct driver_head *driver;
        const void *bus;
        int numa_node;
        void *devargs;
    } device;
    struct rte_pci_addr address;
    struct rte_pci_id id;
    struct {
        uint64_t physical, length;
        void *address;
    } memory[6];
    struct rte_intr_handle *interrupt;
    struct rte_pci_driver *driver;
    uint16_t most_functions;
    int kernel_driver;
    char name[PCI_PRI_STR_SIZE + 1];
    char *bus_info;
    struct rte_intr_handle *request_interrupt;
};
struct rte_pci_driver {
    void *next, **previous;
    struct driver_head driver;
    int (*probe)(struct rte_pci_driver *, struct card *);
    int (*remove)(struct card *);
    void *map, *unmap;
    const struct rte_pci_id *ids;
    uint32_t flags;
};

static struct rte_pci_driver *registered;
void rte_pci_register(struct rte_pci_driver *driver) { registered = driver; }

static uint16_t port;
static struct rte_mempool *pool;
static uint32_t sequence, disorder, sent_length;

static void must(int result, const char *what) {
    if (result >= 0) return;
    fprintf(stderr, "dpdk: %s: %s\n", what, strerror(-result));
    exit(1);
}

static void start_eal(void) {
    static char *arguments[] = {"dpdk", "--no-pci", "--no-huge", "-m", "64", "--no-shconf", "--no-telemetry", "-l", "0",
                                "--iova-mode=va", "--base-virtaddr=0x200000000", "--log-level=critical", NULL};
    must(rte_eal_init(12, arguments), "rte_eal_init");
    if (!registered) {
        fprintf(stderr, "dpdk: the driver has not registered itself\n");
        exit(1);
    }
}

/*
 * Probes the card whose BAR is at `bar`, and starts it. While this runs, another thread or process must simulate the
 * card's registers.
 */
static void start_port(uint8_t *bar, uint16_t rx_slots, uint16_t tx_slots) {
    static struct card card = {.device = {.name = "0000:00:01.0", .numa_node = -1}, .id = {.vendor_id = 0x10ec, .device_id = 0x8125}};
    struct rte_eth_conf configuration = {0};
    card.memory[2].address = bar;
    card.memory[2].length = BAR_BYTES;
    card.interrupt = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
    card.driver = registered;
    card.device.driver = &registered->driver;
    rte_intr_type_set(card.interrupt, RTE_INTR_HANDLE_EXT);
    rte_intr_fd_set(card.interrupt, eventfd(0, EFD_NONBLOCK));
    must(registered->probe(registered, &card), "probe");
    pool = rte_pktmbuf_pool_create("frames", POOL, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!pool) must(-rte_errno, "rte_pktmbuf_pool_create");
    must(rte_eth_dev_configure(port, 1, 1, &configuration), "rte_eth_dev_configure");
    must(rte_eth_rx_queue_setup(port, 0, rx_slots, SOCKET_ID_ANY, NULL, pool), "rte_eth_rx_queue_setup");
    must(rte_eth_tx_queue_setup(port, 0, tx_slots, SOCKET_ID_ANY, NULL), "rte_eth_tx_queue_setup");
    must(rte_eth_dev_start(port), "rte_eth_dev_start");
}

static inline void swap_macs(uint8_t *frame) {
    uint64_t low;
    uint32_t high;
    memcpy(&low, frame, 8);
    memcpy(&high, frame + 8, 4);
    uint64_t swapped_low = low >> 48 | (uint64_t)high << 16 | low << 48;
    uint32_t swapped_high = (uint32_t)(low >> 16);
    memcpy(frame, &swapped_low, 8);
    memcpy(frame + 8, &swapped_high, 4);
}

/* Frames for which the ring had no room. They are the first to be sent in the next pass. */
static struct rte_mbuf *waiting[MOST];
static uint16_t waiting_count;

static void transmit(struct rte_mbuf **frames, uint16_t count) {
    uint16_t sent = rte_eth_tx_burst(port, 0, frames, count);
    waiting_count = count - sent;
    memmove(waiting, frames + sent, waiting_count * sizeof *frames);
}

static unsigned forward(unsigned budget) {
    static struct rte_mbuf *burst[MOST];
    if (waiting_count > 0) {
        transmit(waiting, waiting_count);
        if (waiting_count > 0) return 0;
    }
    uint16_t count = rte_eth_rx_burst(port, 0, burst, (uint16_t)budget);
    for (unsigned i = 0; i < count; i++) swap_macs(rte_pktmbuf_mtod(burst[i], uint8_t *));
    if (count > 0) transmit(burst, count);
    return count;
}

static unsigned drop(unsigned budget) {
    static struct rte_mbuf *burst[MOST];
    uint16_t count = rte_eth_rx_burst(port, 0, burst, (uint16_t)budget);
    for (unsigned i = 0; i < count; i++) {
        uint32_t number;
        memcpy(&number, rte_pktmbuf_mtod(burst[i], uint8_t *) + SEQUENCE_OFFSET, sizeof number);
        disorder += number != sequence;
        sequence = number + 1;
    }
    rte_pktmbuf_free_bulk(burst, count);
    return count;
}

static void build(struct rte_mbuf *mbuf) {
    const uint64_t low = DESTINATION | SOURCE << 48, high = SOURCE >> 16 | (uint64_t)ETHERTYPE << 32;
    uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
    mbuf->data_len = (uint16_t)sent_length;
    mbuf->pkt_len = sent_length;
    memcpy(frame, &low, 8);
    memcpy(frame + 8, &high, 8);
    memcpy(frame + SEQUENCE_OFFSET, &sequence, sizeof sequence);
    sequence++;
}

static unsigned generate(unsigned budget) {
    static struct rte_mbuf *burst[MOST];
    uint16_t before = waiting_count;
    if (before > 0) {
        transmit(waiting, before);
        return before - waiting_count;
    }
    if (rte_pktmbuf_alloc_bulk(pool, burst, budget) != 0) return 0;
    for (unsigned i = 0; i < budget; i++) build(burst[i]);
    transmit(burst, (uint16_t)budget);
    return budget - waiting_count;
}

typedef unsigned (*pass_fn)(unsigned budget);
static const pass_fn passes[] = {[FORWARD] = forward, [DROP] = drop, [GENERATE] = generate};

static int share_memory(const struct rte_memseg_list *list, void *control_memory) {
    struct control *control = control_memory;
    control->memory_base = (uintptr_t)list->base_va;
    control->memory_bytes = list->len;
    control->memory_fd = (uint32_t)rte_memseg_get_fd_thread_unsafe(rte_mem_virt2memseg(list->base_va, list));
    return 1;
}

static void *map(off_t offset, size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY_FD, offset);
    if (memory != MAP_FAILED) return memory;
    perror("dpdk: mmap of the device's memory");
    exit(1);
}

static int serve(off_t region) {
    struct control *control = map(region + PAGE, PAGE);
    char byte;
    start_eal();
    start_port(map(region + WINDOW_OFFSET, BAR_BYTES), RX_SLOTS, TX_SLOTS);
    rte_memseg_list_walk(share_memory, control);
    __atomic_store_n(&control->state, DRIVER_IDLE, __ATOMIC_RELEASE);
    while (read(STDIN_FILENO, &byte, 1) == 1) {
        pass_fn pass = passes[control->load];
        uint32_t batch = control->batch, frames = 0;
        /* Frames that could not be sent in the last measurement window are dropped and not counted. */
        rte_pktmbuf_free_bulk(waiting, waiting_count);
        waiting_count = 0;
        sequence = control->first;
        sent_length = control->bytes;
        disorder = 0;
        __atomic_store_n(&control->state, DRIVER_RUNNING, __ATOMIC_RELEASE);
        do {
            for (unsigned i = 0; i < PASSES; i++) frames += pass(batch);
            __atomic_store_n(&control->frames, frames, __ATOMIC_RELAXED);
        } while (!__atomic_load_n(&control->stop, __ATOMIC_ACQUIRE));
        control->disorder = disorder;
        __atomic_store_n(&control->state, DRIVER_IDLE, __ATOMIC_RELEASE);
    }
    return 0;
}

/* The BAR of the device that shares a thread with the driver (--paired). */
static uint8_t *own_bar;
static volatile int answering = 1;

static void *answer_all(void *bar) {
    struct commander commander = {0};
    while (answering) answer(&commander, bar);
    return NULL;
}

static void *ring_at(unsigned low) {
    uint64_t address;
    memcpy(&address, own_bar + low, sizeof address);
    return (void *)(uintptr_t)address;
}

/* Completes all sent frames, and fills every posted buffer with a frame of 64 bytes. */
static __attribute__((noinline)) void device(void) {
    struct { uint32_t opts1, opts2; uint64_t address; } *rx = ring_at(RDSAR);
    memcpy(own_bar + TX_CLOSED, own_bar + TX_TAIL, sizeof(uint16_t));
    for (uint32_t i = 0; i < SMALL_RX; i++) rx[i].opts1 = WHOLE | (rx[i].opts1 & EOR) | (RX_BUFFER_FRAME + FCS);
}

static int round_of(const char *name, unsigned batch, unsigned count) {
    static uint64_t sample[1 << 16];
    if (batch < 1 || SMALL_RX % batch || count < 1 || count > 1 << 16) {
        fprintf(stderr, "invalid round \"%s %u %u\"\n", name, batch, count);
        return 2;
    }
    for (unsigned pass = 0; pass < count; pass++) {
        device();
        unsigned frames = 0;
        uint64_t start = now_ns();
        for (unsigned i = 0; i < SMALL_RX / batch; i++) frames += forward(batch);
        sample[pass] = now_ns() - start;
        if (frames != SMALL_RX || waiting_count > 0) {
            fprintf(stderr, "%s, batch %u: %u of %d frames came through\n", name, batch, frames, SMALL_RX);
            return 1;
        }
    }
    sort_samples(sample, count);
    printf("{\"median\":%.3f}\n", (double)sample[count / 2] / SMALL_RX);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--paired") != 0) return serve((off_t)atoi(argv[1]) * REGION_BYTES);
    pthread_t thread;
    if (argc != 2 || posix_memalign((void **)&own_bar, PAGE, BAR_BYTES) != 0) return 2;
    set_up_8125b(own_bar);
    if (pthread_create(&thread, NULL, answer_all, own_bar) != 0) return 1;
    start_eal();
    start_port(own_bar, SMALL_RX, SMALL_TX);
    answering = 0;
    pthread_join(thread, NULL);
    return serve_rounds(round_of);
}
