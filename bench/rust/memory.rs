//! Memory shared with a device: the only place of the program that needs `unsafe`.
//!
//! Every byte of the memory is in an atomic type, so whatever the device writes at any time is a valid value, and code that uses
//! `Region` is safe.

use std::os::raw::{c_int, c_void};
use std::sync::atomic::{AtomicU32, AtomicU8};

/// Number of descriptors of each ring; with `--cfg small_rings`, as many as in bench/c/ring.c.
pub const SLOTS: usize = if cfg!(small_rings) { 256 } else { 1024 };
pub const BUFFER_BYTES: usize = 2048;
const PAGE: usize = 4096;
const REGION_BYTES: usize = 16 << 20;
const MEMORY_FD: c_int = 3;

/// A descriptor of 16 bytes.
#[repr(C)]
pub struct Descriptor {
    pub opts1: AtomicU32,
    pub opts2: AtomicU32,
    pub address_low: AtomicU32,
    pub address_high: AtomicU32,
}

pub type Buffer = [AtomicU32; BUFFER_BYTES / 4];

/// The DMA window.
#[repr(C)]
pub struct Window {
    pub receive: [Descriptor; SLOTS],
    pub transmit: [Descriptor; SLOTS],
    pub buffers: [Buffer; 2 * SLOTS],
}

/// `struct control` of bench/c/shared.h.
#[repr(C)]
pub struct Control {
    pub state: AtomicU32,
    pub frames: AtomicU32,
    pub disorder: AtomicU32,
    pub collections: AtomicU32,
    unused: [AtomicU32; 12],
    pub stop: AtomicU32,
    pub load: AtomicU32,
    pub batch: AtomicU32,
    pub bytes: AtomicU32,
    pub first: AtomicU32,
    rest: [AtomicU32; (PAGE - 21 * 4) / 4],
}

/// A driver's part of the shared memory: pages of registers and control words, and the window.
#[repr(C)]
pub struct Region {
    pub registers: [AtomicU8; PAGE],
    pub control: Control,
    pub window: Window,
}

const _: () = assert!(std::mem::size_of::<Region>() <= REGION_BYTES);

extern "C" {
    fn mmap(address: *mut c_void, length: usize, protection: c_int, flags: c_int, fd: c_int, offset: i64) -> *mut c_void;
}

const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 0x01;
const MAP_PRIVATE: c_int = 0x02;
const MAP_ANONYMOUS: c_int = 0x20;
const MAP_POPULATE: c_int = 0x8000;

/// Maps region `index` of the memory with which this process was started. If `index` is `None`, maps private memory.
pub fn map(index: Option<usize>) -> &'static Region {
    let (flags, fd) = match index {
        Some(_) => (MAP_SHARED, MEMORY_FD),
        None => (MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1),
    };
    let offset = (index.unwrap_or(0) * REGION_BYTES) as i64;
    // SAFETY: the kernel chooses a free range of a region's length, or refuses. The memory cannot become shorter (it is
    // never truncated), is never unmapped, is aligned to a page, and any content of atomics is valid.
    unsafe {
        let address = mmap(std::ptr::null_mut(), REGION_BYTES, PROT_READ_WRITE, flags, fd, offset);
        assert!(address as isize != -1, "mmap: {}", std::io::Error::last_os_error());
        &*(address as *const Region)
    }
}
