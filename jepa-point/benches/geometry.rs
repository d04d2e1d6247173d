//! Time of the geometry on one thread: `cargo bench -p jepa-point --profile dev` (both profiles optimise).

use std::hint::black_box;
use std::time::Instant;

use jepa_core::data::{Source as _, Split};
use jepa_core::random::{Draw as _, Purpose, Stream};
use jepa_point::augment::AugmentConfig;
use jepa_point::data::Builtin;
use jepa_point::geometry::{Columns, Start, farthest_points, greedy_order, morton_order, nearest, within};
use jepa_point::tokens::GroupConfig;

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

fn main() -> jepa_core::Result<()> {
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
