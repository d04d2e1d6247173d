//! Damaged files never make a reader panic, hang or fill the memory: 3,000 seeded mutations of a small file of every
//! format.

use std::path::Path;
use std::time::Duration;

use jepa_core::damage::{Counting, Limits};
use jepa_core::error::Result;
use jepa_core::picture::Picture;
use jepa_motion::data::Flow;
use jepa_motion::data::formats::{decode_flow, flo, kitti, ppm};

#[global_allocator]
static COUNTING: Counting = Counting;

/// For files that are smaller than 1 kB.
const LIMITS: Limits = Limits { mutations: 3000, memory: 8 << 20, time: Duration::from_secs(1), refused: 0.2 };

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
        let read = |bytes: &[u8]| {
            let read = read(Path::new(name), bytes);
            read.inspect_err(|error| assert!(error.to_string().contains(name), "{error}")).map(drop)
        };
        LIMITS.withstood(name, good, read).unwrap();
    }
}
