//! A driver's rings in safe Rust: the counterpart of bench/c/careful.h.
//!
//! Each word that the device wrote is read once and validated; buffers and addresses come from the driver's own memory.
#![forbid(unsafe_code)]

use crate::memory::{Buffer, Descriptor, Region, Window, BUFFER_BYTES, SLOTS};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

const MASK: usize = SLOTS - 1;
const OWN: u32 = 1 << 31;
const END_OF_RING: u32 = 1 << 30;
const WHOLE: u32 = 3 << 28;
const RX_ERROR: u32 = 1 << 21;
const RX_LENGTH: u32 = 0x3fff;
const FCS: u32 = 4;
const HEADER: u32 = 14;
const POLL_NORMAL: u8 = 0x40;
const TX_POLL: usize = 0x38;
const TNPDS: usize = 0x20;
const RDSAR: usize = 0xe4;
/// Device address of the window.
const IOVA: u64 = 0x20_0000_0000;
/// Byte offset of the buffers in the window.
const BUFFERS: u64 = (2 * SLOTS * std::mem::size_of::<Descriptor>()) as u64;
/// Index of the word of a frame that holds the frame's sequence number.
const SEQUENCE: usize = 4;
/// The words before the sequence number.
const FRAME_HEADER: [u32; SEQUENCE] = [0xd3d2d1d0, 0x5756d5d4, 0x5b5a5958, 0x0000b588];

pub struct Driver {
    window: &'static Window,
    region: &'static Region,
    receive_next: usize,
    transmit_next: usize,
    /// Index of the buffer in each slot.
    receive_buffer: [u32; SLOTS],
    transmit_buffer: [u32; SLOTS],
    pub dropped: u64,
    /// Sequence number of the next frame to receive or send.
    pub sequence: u32,
    /// Number of frames received out of order.
    pub disorder: u32,
    /// Length of a frame to send.
    pub bytes: u32,
}

fn end_of_ring(slot: usize) -> u32 {
    if slot == MASK { END_OF_RING } else { 0 }
}

fn address_low(buffer: u32) -> u32 {
    (IOVA + BUFFERS) as u32 + buffer * BUFFER_BYTES as u32
}

/// True if a frame is complete, has no errors, and fits the buffer into which it was received.
fn is_good(opts1: u32) -> bool {
    let length = opts1 & RX_LENGTH;
    opts1 & (WHOLE | RX_ERROR) == WHOLE && length >= HEADER + FCS && length <= BUFFER_BYTES as u32
}

/// Writes the words of a descriptor before opts1, which gives the slot to the NIC. The high half of the address never changes.
fn point_at(descriptor: &Descriptor, buffer: u32) {
    descriptor.opts2.store(0, Relaxed);
    descriptor.address_low.store(address_low(buffer), Relaxed);
}

fn swap_addresses(frame: &Buffer) {
    let [a, b, c] = [0, 1, 2].map(|i| frame[i].load(Relaxed));
    frame[0].store(b >> 16 | c << 16, Relaxed);
    frame[1].store(c >> 16 | a << 16, Relaxed);
    frame[2].store(a >> 16 | b << 16, Relaxed);
}

impl Driver {
    /// Creates rings in `region`, posts all receive descriptors, and writes the rings' addresses to the registers.
    pub fn new(region: &'static Region) -> Driver {
        let window = &region.window;
        let driver = Driver {
            window,
            region,
            receive_next: 0,
            transmit_next: 0,
            receive_buffer: std::array::from_fn(|slot| slot as u32),
            transmit_buffer: std::array::from_fn(|slot| (SLOTS + slot) as u32),
            dropped: 0,
            sequence: 0,
            disorder: 0,
            bytes: 0,
        };
        for slot in 0..SLOTS {
            for descriptor in [&window.receive[slot], &window.transmit[slot]] {
                descriptor.address_high.store((IOVA >> 32) as u32, Relaxed);
            }
            point_at(&window.transmit[slot], driver.transmit_buffer[slot]);
            window.transmit[slot].opts1.store(end_of_ring(slot), Release);
            driver.post(slot, driver.receive_buffer[slot]);
        }
        driver.set_address(RDSAR, IOVA);
        driver.set_address(TNPDS, IOVA + BUFFERS / 2);
        driver
    }

    fn set_address(&self, register: usize, address: u64) {
        for (i, byte) in address.to_le_bytes().iter().enumerate() {
            self.region.registers[register + i].store(*byte, Relaxed);
        }
    }

    fn post(&self, slot: usize, buffer: u32) {
        let descriptor = &self.window.receive[slot];
        point_at(descriptor, buffer);
        descriptor.opts1.store(OWN | end_of_ring(slot) | BUFFER_BYTES as u32, Release);
    }

    fn send(&self, slot: usize, buffer: u32, length: u32) {
        let descriptor = &self.window.transmit[slot];
        point_at(descriptor, buffer);
        descriptor.opts1.store(OWN | WHOLE | end_of_ring(slot) | length, Release);
    }

    fn ring_doorbell(&self) {
        self.region.registers[TX_POLL].store(POLL_NORMAL, Release);
    }

    fn frame(&self, buffer: u32) -> &Buffer {
        &self.window.buffers[buffer as usize]
    }

    /// Handles at most `budget` received frames: sends the good ones with their addresses swapped, and refills the slots.
    /// Returns the number of received frames.
    pub fn forward(&mut self, budget: u32) -> u32 {
        let (mut slot, mut next, mut done) = (self.receive_next & MASK, self.transmit_next & MASK, 0);
        while done < budget {
            let opts1 = self.window.receive[slot].opts1.load(Acquire);
            if opts1 & OWN != 0 {
                break;
            }
            let buffer = self.receive_buffer[slot];
            let mut refill = buffer;
            if is_good(opts1) {
                if self.window.transmit[next].opts1.load(Acquire) & OWN != 0 {
                    break;
                }
                refill = self.transmit_buffer[next];
                swap_addresses(self.frame(buffer));
                self.send(next, buffer, (opts1 & RX_LENGTH) - FCS);
                self.transmit_buffer[next] = buffer;
                next = (next + 1) & MASK;
            } else {
                self.dropped += 1;
            }
            self.receive_buffer[slot] = refill;
            self.post(slot, refill);
            slot = (slot + 1) & MASK;
            done += 1;
        }
        self.receive_next = slot;
        self.transmit_next = next;
        if done > 0 {
            self.ring_doorbell();
        }
        done
    }

    /// Takes at most `budget` frames, checks their sequence numbers, and posts their buffers again. Returns their number.
    pub fn drop_frames(&mut self, budget: u32) -> u32 {
        let (mut slot, mut done) = (self.receive_next & MASK, 0);
        while done < budget {
            let opts1 = self.window.receive[slot].opts1.load(Acquire);
            if opts1 & OWN != 0 {
                break;
            }
            let buffer = self.receive_buffer[slot];
            if is_good(opts1) {
                let number = self.frame(buffer)[SEQUENCE].load(Relaxed);
                self.disorder += u32::from(number != self.sequence);
                self.sequence = number.wrapping_add(1);
            } else {
                self.dropped += 1;
            }
            self.post(slot, buffer);
            slot = (slot + 1) & MASK;
            done += 1;
        }
        self.receive_next = slot;
        done
    }

    /// Sends at most `budget` frames of its own.
    pub fn generate(&mut self, budget: u32) -> u32 {
        let (mut next, mut done) = (self.transmit_next & MASK, 0);
        while done < budget && self.window.transmit[next].opts1.load(Acquire) & OWN == 0 {
            let buffer = self.transmit_buffer[next];
            let frame = self.frame(buffer);
            for (word, value) in frame.iter().zip(FRAME_HEADER) {
                word.store(value, Relaxed);
            }
            frame[SEQUENCE].store(self.sequence, Relaxed);
            self.sequence = self.sequence.wrapping_add(1);
            self.send(next, buffer, self.bytes);
            next = (next + 1) & MASK;
            done += 1;
        }
        self.transmit_next = next;
        if done > 0 {
            self.ring_doorbell();
        }
        done
    }

    /// The device in the measurement with one thread: completes all sent frames, and reports a frame of 64 bytes in
    /// every posted buffer.
    pub fn device(&self) {
        for slot in 0..SLOTS {
            let sent = &self.window.transmit[slot].opts1;
            sent.store(sent.load(Relaxed) & !OWN, Relaxed);
            self.window.receive[slot].opts1.store(WHOLE | end_of_ring(slot) | (64 + FCS), Relaxed);
        }
    }

    /// Puts two MAC addresses into every buffer.
    pub fn fill(&self) {
        for frame in &self.window.buffers {
            for (word, value) in frame.iter().zip(FRAME_HEADER) {
                word.store(value, Relaxed);
            }
        }
    }

    /// True if every buffer still has its two MAC addresses, in either order, and no frame was dropped.
    pub fn is_intact(&self) -> bool {
        let [a, b, c, _] = FRAME_HEADER;
        let swapped = [b >> 16 | c << 16, c >> 16 | a << 16, a >> 16 | b << 16];
        self.dropped == 0
            && self.window.buffers.iter().all(|frame| {
                let words = [0, 1, 2].map(|i| frame[i].load(Relaxed));
                words == [a, b, c] || words == swapped
            })
    }
}
