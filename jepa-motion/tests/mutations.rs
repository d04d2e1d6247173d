//! Damaged files never make a reader panic, hang or fill the memory: 3,000 seeded mutations of a small file of every
//! format.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jepa_core::error::Result;
use jepa_core::picture::Picture;
use jepa_core::random::{Draw, Purpose, Stream};
use jepa_motion::data::Flow;
use jepa_motion::data::formats::{decode_flow, flo, kitti, ppm};

/// Counts the bytes that are allocated and the most there were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: both functions pass their arguments on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MUTATIONS: u64 = 3000;
/// Most memory a reader may take for one of the files below, all of which are smaller than 1 kB.
const MEMORY: usize = 8 << 20;

/// One of: flipped bits, a cut, bytes put in, a number replaced, a piece repeated.
fn mutate(good: &[u8], draw: &mut Stream) -> Vec<u8> {
    const NUMBERS: &[&str] = &["-1", "0", "99999999999", "18446744073709551615", "nan", "1e999", "", "65536", "16384"];
    let mut bytes = good.to_vec();
    for _ in 0..=draw.below(3) {
        let at = draw.below(bytes.len().max(1)).min(bytes.len());
        match draw.below(6) {
            0 => bytes.truncate(at),
            1 => {
                let noise: Vec<u8> = (0..=draw.below(16)).map(|_| draw.bits() as u8).collect();
                bytes.splice(at..at, noise);
            }
            2 => {
                let digit = |b: &u8| b.is_ascii_digit();
                if let Some(start) = bytes[at..].iter().position(digit).map(|i| i + at) {
                    let end = bytes[start..].iter().position(|b| !digit(b)).map_or(bytes.len(), |i| i + start);
                    bytes.splice(start..end, NUMBERS[draw.below(NUMBERS.len())].bytes());
                }
            }
            3 => {
                let end = (at + draw.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                for _ in 0..=draw.below(4) {
                    let at = draw.below(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= 1 << draw.below(8);
                    }
                }
            }
        }
    }
    bytes
}

#[test]
fn damaged_files_never_make_a_reader_panic_hang_or_fill_the_memory() {
    let flow = Flow::whole(7, 5, (0..35).map(|i| [i as f32 * 0.25, -1.5]).collect()).unwrap();
    let picture = Picture::new(7, 5, 3, (0..105).collect()).unwrap();
    let floats: Vec<u8> = (0..105).flat_map(|i| (i as f32).to_le_bytes()).collect();
    type Read = fn(&Path, &[u8]) -> Result<usize>;
    let of_flow: Read = |path, bytes| decode_flow(path, bytes).map(|flow| flow.vectors().count());
    let of_frame: Read = |path, bytes| ppm::decode(path, bytes).map(|picture| picture.pixels.len());
    let cases: [(&str, Vec<u8>, Read); 4] = [
        ("a.flo", flo::encode(&flow), of_flow),
        ("a.png", kitti::encode(&flow).unwrap(), of_flow),
        ("a.pfm", [&b"PF\n7 5\n-1.0\n"[..], &floats].concat(), of_flow),
        ("a.ppm", ppm::encode(&picture), of_frame),
    ];
    for (name, good, read) in &cases {
        let path = Path::new(name);
        if let Err(error) = read(path, good) {
            panic!("{error}");
        }
        let mut refused = 0;
        for mutation in 0..MUTATIONS {
            let bytes = mutate(good, &mut Stream::new(17, Purpose::Test, good.len() as u64, mutation));
            let before = NOW.load(Ordering::Relaxed);
            MOST.store(before, Ordering::Relaxed);
            let began = Instant::now();
            if let Err(error) = read(path, &bytes) {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains(name) && text.len() < 1000, "{text}");
            }
            let taken = MOST.load(Ordering::Relaxed) - before;
            assert!(taken < MEMORY, "{name}, mutation {mutation}: {taken} bytes");
            assert!(began.elapsed() < Duration::from_secs(1), "{name}, mutation {mutation}: {:?}", began.elapsed());
        }
        assert!(refused > MUTATIONS / 5, "{name}: only {refused} of {MUTATIONS} mutations were noticed");
    }
}
