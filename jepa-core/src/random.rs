//! Randomness as a function: nothing reads a global generator.
//!
//! Every draw comes from a [`Stream`] keyed by (run seed, purpose, step, sample). Two runs with one seed draw the same
//! numbers whatever the number of threads, and a resumed run needs only its step number. [`TorchStream`] reproduces
//! PyTorch's CPU generator, for masks that are bit-equal to the official ones.

/// What a stream is drawn for: streams of different purposes never overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights; the step is the parameter's number.
    Weights = 1,
    /// Order of the samples; the step is the epoch.
    Order = 2,
    /// Augmentation of one sample.
    Augment = 3,
    /// Masks of one batch or sample.
    Masks = 4,
    /// Probes, subsets, diagnostics.
    Probe = 5,
    /// Synthetic data.
    Synthesis = 6,
    /// Tests and fault injection.
    Test = 7,
    /// Dropout and stochastic depth.
    Noise = 8,
    /// Which part of a longer recording is read.
    Part = 9,
    /// Directions that embeddings are projected on.
    Slices = 10,
    /// Actions that a planner tries; the step is the search, the sample the problem.
    Plan = 16,
}

/// A source of uniform integers and floats.
pub trait Draw {
    /// The next 64 uniform bits.
    fn bits(&mut self) -> u64;

    /// Uniform in [0, 1), 24 bits of resolution.
    fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform integer in 0..n; 0 when `n` is 0 or 1.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Uniform in [low, high).
    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }

    /// Standard normal (Box-Muller, one of the pair).
    fn normal(&mut self) -> f32 {
        let u = 1.0 - (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        let v = (self.bits() >> 11) as f64 / (1u64 << 53) as f64;
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// A random permutation of 0..n (Fisher-Yates).
    fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

/// Counter-based generator (SplitMix64 over a keyed counter).
#[derive(Debug, Clone)]
pub struct Stream {
    state: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Stream {
    /// The stream for one (seed, purpose, step, sample).
    pub fn new(seed: u64, purpose: Purpose, step: u64, sample: u64) -> Self {
        let mut key = mix(seed ^ GOLDEN);
        for part in [purpose as u64, step, sample] {
            key = mix(key.wrapping_add(GOLDEN) ^ mix(part.wrapping_add(GOLDEN)));
        }
        Self { state: key }
    }
}

impl Draw for Stream {
    fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }
}

/// Position `at` of the endless sequence of epochs, each a fresh permutation of 0..n: (epoch, index within it).
pub fn epoch_of(at: u64, n: usize) -> (u64, usize) {
    (at / n as u64, (at % n as u64) as usize)
}

/// The order of the samples in one epoch: a permutation that depends on (seed, epoch) alone.
pub fn epoch_order(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    Stream::new(seed, Purpose::Order, epoch, 0).permutation(n)
}

/// PyTorch's CPU generator: MT19937 with the single-integer initialisation.
///
/// `rand` is the low 24 bits over 2^24, `randint(n)` is the 32-bit draw modulo n.
#[derive(Clone)]
pub struct TorchStream {
    state: Box<[u32; 624]>,
    next: usize,
}

impl TorchStream {
    /// What `torch.manual_seed(seed)` sets up.
    pub fn new(seed: u64) -> Self {
        let mut state = Box::new([0u32; 624]);
        state[0] = seed as u32;
        for i in 1..624 {
            let previous = state[i - 1];
            state[i] = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i as u32);
        }
        Self { state, next: 624 }
    }

    /// The next 32 bits.
    pub fn bits32(&mut self) -> u32 {
        if self.next == 624 {
            for i in 0..624 {
                let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
                let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
                self.state[i] = self.state[(i + 397) % 624] ^ (y >> 1) ^ odd;
            }
            self.next = 0;
        }
        let mut y = self.state[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }
}

impl std::fmt::Debug for TorchStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorchStream").field("next", &self.next).finish_non_exhaustive()
    }
}

impl Draw for TorchStream {
    fn bits(&mut self) -> u64 {
        u64::from(self.bits32()) << 32 | u64::from(self.bits32())
    }

    fn uniform(&mut self) -> f32 {
        (self.bits32() & 0x00ff_ffff) as f32 / (1u32 << 24) as f32
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.bits32() as usize % n }
    }

    /// `torch.randperm` for small n: forward Fisher-Yates.
    fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in 0..n.saturating_sub(1) {
            let other = i + self.bits32() as usize % (n - i);
            order.swap(i, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torch_stream_draws_what_torch_draws_after_manual_seed_zero_and_one() {
        let first = |seed| {
            let mut stream = TorchStream::new(seed);
            (stream.uniform(), stream.uniform())
        };
        let (a, b) = first(0);
        assert!((a - 0.496_256_6).abs() < 1e-7 && (b - 0.768_221_8).abs() < 1e-7, "{a} {b}");
        let (a, b) = first(1);
        assert!((a - 0.757_631_6).abs() < 1e-7 && (b - 0.279_310_9).abs() < 1e-7, "{a} {b}");
    }

    #[test]
    fn an_epoch_visits_every_sample_once_and_epochs_differ() {
        let mut first = epoch_order(7, 0, 1000);
        assert_ne!(first, epoch_order(7, 1, 1000));
        assert_eq!(first, epoch_order(7, 0, 1000));
        first.sort_unstable();
        assert!(first.iter().enumerate().all(|(i, &v)| i as u32 == v));
    }

    #[test]
    fn streams_of_different_keys_are_unrelated_and_uniform() {
        let mut mean = 0.0;
        for sample in 0..1000 {
            mean += f64::from(Stream::new(1, Purpose::Augment, 5, sample).uniform()) / 1000.0;
        }
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let normals: Vec<f64> = (0..20_000).map(|_| f64::from(stream.normal())).collect();
        let variance = normals.iter().map(|v| v * v).sum::<f64>() / 20_000.0;
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
