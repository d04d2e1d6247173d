//! Damaged files, for the tests of a crate that reads a format: a reader gives an error or a sample, never a panic, a
//! wait, or much memory.
//!
//! ```ignore
//! #[global_allocator]
//! static COUNTING: jepa_core::damage::Counting = jepa_core::damage::Counting;
//!
//! let limits = Limits { mutations: 2000, memory: 8 << 20, time: Duration::from_secs(1), refused: 0.2 };
//! limits.withstood("a.off", &good, |bytes| decode(bytes).map(drop)).unwrap();
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::random::{Draw as _, Purpose, Stream};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// An allocator that counts what the current thread holds: the global one of a test program with [`Limits`].
#[derive(Debug)]
pub struct Counting;

fn count(change: isize) {
    let held = HELD.get() + change;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is handed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// What reading damaged files may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Damaged copies of a file.
    pub mutations: u64,
    /// Bytes that reading one of them may hold at a time, on the reader's thread.
    pub memory: usize,
    /// Time that reading one of them may take.
    pub time: Duration,
    /// Share of them that has to be noticed, from 0 to 1.
    pub refused: f64,
}

/// What it did cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Toll {
    /// Damaged copies that the reader refused.
    pub refused: u64,
    /// Most bytes held.
    pub memory: usize,
    /// Longest time.
    pub time: Duration,
}

impl Limits {
    /// Longest message about a damaged file, in bytes.
    const MESSAGE: usize = 2000;

    /// Lets `read` have a file that is whole, then damaged copies. Fails with what was broken: a whole file refused, a
    /// limit passed, a message of pages, or [`Counting`] not installed. The copies depend on `name` and `good` alone.
    pub fn withstood(
        &self,
        name: &str,
        good: &[u8],
        mut read: impl FnMut(&[u8]) -> Result<()>,
    ) -> std::result::Result<Toll, String> {
        let before = HELD.get();
        let probe = std::hint::black_box(vec![0u8; 4096]);
        if HELD.get() - before < probe.len() as isize {
            return Err("`Counting` is not the global allocator of this program".into());
        }
        read(good).map_err(|error| format!("{name}, undamaged: {error}"))?;
        let mut toll = Toll::default();
        for mutation in 0..self.mutations {
            let bytes = damaged(good, &mut Stream::new(13, Purpose::Test, (good.len() + name.len()) as u64, mutation));
            let (before, begun) = (HELD.get(), Instant::now());
            PEAK.set(before);
            if let Err(error) = read(&bytes) {
                toll.refused += 1;
                let length = error.to_string().len();
                if length > Self::MESSAGE {
                    return Err(format!("{name}, mutation {mutation}: a message of {length} bytes"));
                }
            }
            let (held, took) = ((PEAK.get() - before).max(0) as usize, begun.elapsed());
            if held > self.memory || took > self.time {
                return Err(format!("{name}, mutation {mutation}: {held} bytes in {took:?}, allowed {self:?}"));
            }
            toll.memory = toll.memory.max(held);
            toll.time = toll.time.max(took);
        }
        if (toll.refused as f64) < self.refused * self.mutations as f64 {
            return Err(format!("{name}: only {} of {} mutations were noticed", toll.refused, self.mutations));
        }
        Ok(toll)
    }
}

/// A copy with one to three of: a cut, noise put in or added, a number or a few bytes replaced by what counts should
/// never be, a piece repeated, a piece copied over another, bits flipped, mostly near the beginning, where headers are.
pub fn damaged(good: &[u8], draw: &mut Stream) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=draw.below(3) {
        once(&mut bytes, draw);
    }
    bytes
}

/// What stands where a number is expected.
const WORDS: &[&[u8]] = &[
    b"-1",
    b"0",
    b"99999999999",
    b"18446744073709551615",
    b"4294967296",
    b"65536",
    b"256",
    b"nan",
    b"-inf",
    b"1e999",
    b"1e-320",
    b"",
    b"\xff\xfe",
    b"{",
    b"\0",
];

fn once(bytes: &mut Vec<u8>, draw: &mut Stream) {
    let length = bytes.len();
    let at = draw.below(length.max(1)).min(length);
    let word = WORDS[draw.below(WORDS.len())].iter().copied();
    match draw.below(9) {
        0 => bytes.truncate(at),
        1 => {
            let noise: Vec<u8> = (0..=draw.below(64)).map(|_| draw.bits() as u8).collect();
            bytes.splice(at..at, noise);
        }
        2 => {
            let digit = |byte: &u8| byte.is_ascii_digit();
            if let Some(start) = bytes[at..].iter().position(digit).map(|i| i + at) {
                let end = bytes[start..].iter().position(|byte| !digit(byte)).map_or(length, |i| i + start);
                bytes.splice(start..end, word);
            }
        }
        3 => {
            bytes.splice(at..(at + 2).min(length), word);
        }
        4 => {
            let piece = bytes[at..(at + draw.below(64)).min(length)].to_vec();
            bytes.splice(at..at, piece);
        }
        5 => {
            let to = draw.below(length.max(1)).min(length);
            let run = draw.below(40).min(length - at.max(to));
            bytes.copy_within(at..at + run, to);
        }
        kind => {
            let reach = if kind == 6 { length } else { length.min(if kind == 7 { 100 } else { 600 }) };
            for _ in 0..=draw.below(4) {
                if let Some(byte) = bytes.get_mut(draw.below(reach.max(1))) {
                    *byte ^= 1 << draw.below(8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn damage_is_a_function_of_the_draw_and_reaches_every_length() {
        let good: Vec<u8> = (0..200).collect();
        let copy = |mutation| damaged(&good, &mut Stream::new(1, Purpose::Test, 0, mutation));
        assert!((0..500).all(|mutation| copy(mutation) == copy(mutation)));
        assert!((0..500).filter(|mutation| copy(*mutation) == good).count() < 25);
        assert!((0..500).any(|m| copy(m).len() < 20) && (0..500).any(|m| copy(m).len() > 230));
        assert!((0..500).all(|mutation| damaged(&[], &mut Stream::new(1, Purpose::Test, 0, mutation)).len() < 400));
    }

    #[test]
    fn without_the_counting_allocator_nothing_is_called_withstood() {
        let limits = Limits { mutations: 1, memory: 1, time: Duration::from_secs(1), refused: 0.0 };
        let refusal = limits.withstood("a", b"a", |_| Err(Error::data("a", "b"))).unwrap_err();
        assert!(refusal.contains("allocator"), "{refusal}");
    }
}
