//! Time of the geometry on one thread: `cargo bench -p jepa-point --profile dev` (both profiles optimise). With `--serve
//! FILE` it times one operation at a time on the clouds of a file, as `against_official/alternate.py` asks.

use std::hint::black_box;
use std::io::BufRead as _;
use std::path::Path;
use std::time::Instant;

use jepa_core::data::{Source as _, Split};
use jepa_core::error::Error;
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_point::augment::AugmentConfig;
use jepa_point::data::Builtin;
use jepa_point::geometry::{Columns, Start, farthest_points, greedy_order, morton_order, nearest, within};
use jepa_point::tokens::GroupConfig;
use rayon::prelude::*;

/// Prints the fastest and the median of many runs in microseconds.
fn time<T>(name: &str, mut run: impl FnMut(usize) -> T) {
    const ROUNDS: usize = 201;
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let began = Instant::now();
            black_box(run(round));
            began.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.1} us, median {:>9.1} us", times[0], times[ROUNDS / 2]);
}

fn cloud(seed: u64, count: usize) -> Vec<[f32; 3]> {
    let mut draw = Stream::new(seed, Purpose::Test, 0, 0);
    (0..count).map(|_| std::array::from_fn(|_| draw.normal())).collect()
}

/// Answers each line of standard input (`fps`, `knn` or `sequencer`) with the seconds that a batch took on the threads
/// of RAYON_NUM_THREADS, and the sum of the indices it found. The clouds are f32 triples, 1,024 points each; 64 centres
/// from point 0 and 32 neighbours are asked of each, the centres once before.
fn serve(file: &Path) -> jepa_core::Result<()> {
    let bytes = std::fs::read(file).map_err(Error::io("read", file))?;
    let values: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let clouds: Vec<&[[f32; 3]]> = values.as_chunks().0.chunks_exact(1024).collect();
    let centres: Vec<Vec<[f32; 3]>> = clouds
        .iter()
        .map(|cloud| Ok(farthest_points(&Columns::new(cloud), 64, 0)?.iter().map(|&i| cloud[i as usize]).collect()))
        .collect::<jepa_core::Result<_>>()?;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(Error::io("read", Path::new("standard input")))?;
        let began = Instant::now();
        let found: Vec<Vec<u32>> = match line.trim() {
            "fps" => clouds
                .par_iter()
                .map(|cloud| farthest_points(&Columns::new(cloud), 64, 0))
                .collect::<jepa_core::Result<_>>()?,
            "knn" => clouds
                .par_iter()
                .zip(&centres)
                .map(|(cloud, centres)| nearest(&Columns::new(cloud), centres, 32))
                .collect::<jepa_core::Result<_>>()?,
            _ => centres.par_iter().map(|centres| greedy_order(centres, Start::Min)).collect(),
        };
        let seconds = began.elapsed().as_secs_f64();
        // Places in the order tell more than their sum, which never changes.
        let weight = |i: usize| if line.trim() == "knn" { 1 } else { i as u64 % 64 };
        let sum: u64 =
            found.iter().flat_map(|row| row.iter().enumerate()).map(|(i, v)| weight(i) * u64::from(*v)).sum();
        println!("{seconds} {sum}");
    }
    Ok(())
}

fn main() -> jepa_core::Result<()> {
    let mut arguments = std::env::args().skip(1).skip_while(|argument| argument != "--serve");
    if let (Some(_), Some(file)) = (arguments.next(), arguments.next()) {
        return serve(Path::new(&file));
    }
    let points = cloud(1, 1024);
    let columns = Columns::new(&points);
    let chosen = farthest_points(&columns, 64, 0)?;
    let centres: Vec<[f32; 3]> = chosen.iter().map(|&i| points[i as usize]).collect();
    time("columns of 1024", |_| Columns::new(&points));
    time("farthest points, 1024 to 64", |i| farthest_points(&columns, 64, i));
    time("nearest, 64 centres x 32 of 1024", |_| nearest(&columns, &centres, 32));
    time("within a radius, 64 centres x 32 of 1024", |_| within(&columns, &centres, 0.5, 32));
    time("greedy order of 64", |_| greedy_order(&centres, Start::Min));
    time("z-order of 64", |_| morton_order(&centres));
    time("groups, 1024 to 64 x 32", |i| GroupConfig::default().cut(&points, i));

    let dense = cloud(2, 8192);
    let augment = AugmentConfig::default();
    time("augmentation, 8192 to 1024", |i| {
        augment.apply(&dense, i, &augment.pose(&mut Stream::new(1, Purpose::Test, 0, 0)))
    });
    let builtin = Builtin::open(Split::Train);
    time("a built-in cloud of 1024", |i| builtin.read(i));
    Ok(())
}
