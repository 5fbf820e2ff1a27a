//! A driver in safe Rust.
//!
//! usage: peer REGION      a process beside the device process (bench/c/device.c), which starts it: reads a byte from stdin
//!                         for each measurement window, ends at end of file
//!        peer --paired    driver and device in one thread: a round for each line "go NAME BATCH PASSES" on stdin

mod memory;
mod rings;

use memory::{Control, SLOTS};
use rings::Driver;
use std::io::Read;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Instant;

const IDLE: u32 = 1;
const RUNNING: u32 = 2;
/// Number of passes between two reads of `stop`.
const PASSES: u32 = 64;

fn run_window(driver: &mut Driver, control: &Control, pass: fn(&mut Driver, u32) -> u32) {
    let batch = control.batch.load(Relaxed);
    let mut frames = 0u32;
    control.state.store(RUNNING, Release);
    while control.stop.load(Acquire) == 0 {
        for _ in 0..PASSES {
            frames = frames.wrapping_add(pass(driver, batch));
        }
        control.frames.store(frames, Relaxed);
    }
    control.disorder.store(driver.disorder, Relaxed);
    control.state.store(IDLE, Release);
}

fn serve(region: usize) {
    let region = memory::map(Some(region));
    let control = &region.control;
    let mut driver = Driver::new(region);
    control.state.store(IDLE, Release);
    let mut byte = [0];
    while std::io::stdin().read(&mut byte).expect("stdin") == 1 {
        driver.sequence = control.first.load(Relaxed);
        driver.bytes = control.bytes.load(Relaxed);
        driver.disorder = 0;
        match control.load.load(Relaxed) {
            0 => run_window(&mut driver, control, Driver::forward),
            1 => run_window(&mut driver, control, Driver::drop_frames),
            _ => run_window(&mut driver, control, Driver::generate),
        }
    }
}

/// Runs one round; returns the ns per frame of the median pass over a full ring.
fn round(driver: &mut Driver, batch: u32, passes: u32) -> f64 {
    let mut samples: Vec<u64> = (0..passes)
        .map(|_| {
            driver.device();
            let mut frames = 0;
            let start = Instant::now();
            for _ in 0..SLOTS as u32 / batch {
                frames += driver.forward(batch);
            }
            let took = start.elapsed().as_nanos() as u64;
            assert!(frames == SLOTS as u32, "batch {batch}: {frames} of {SLOTS} frames came through");
            took
        })
        .collect();
    assert!(driver.is_intact(), "batch {batch}: a frame was damaged or dropped");
    samples.sort_unstable();
    samples[samples.len() / 2] as f64 / SLOTS as f64
}

fn serve_rounds() {
    let mut driver = Driver::new(memory::map(None));
    driver.fill();
    for line in std::io::stdin().lines() {
        let line = line.expect("stdin");
        let numbers: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [batch, passes] => println!("{{\"median\":{:.3}}}", round(&mut driver, batch, passes)),
            _ => panic!("expected \"go NAME BATCH PASSES\", got: {line}"),
        }
    }
}

fn main() {
    let argument = std::env::args().nth(1).unwrap_or_default();
    match argument.parse() {
        Ok(region) => serve(region),
        Err(_) if argument == "--paired" => serve_rounds(),
        Err(_) => panic!("usage: peer REGION | peer --paired"),
    }
}
