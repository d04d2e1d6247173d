//! Damaged recordings of every format that is decoded here: an error or a clip, never a panic, a wait or much memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Cursor;
use std::path::Path;
use std::time::{Duration, Instant};

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbImage};
use jepa_core::data::{DataSpec, Split};
use jepa_core::random::{Draw as _, Purpose, Stream};

use super::*;

/// Mutations of each file.
const MUTATIONS: u64 = 2000;
/// Most bytes that reading a damaged file of a few kilobytes may hold at a time.
const MEMORY: usize = 64 << 20;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// Counts what the current thread holds.
struct Counting;

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

#[global_allocator]
static COUNTING: Counting = Counting;

pub(crate) fn picture(seed: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 9 + seed * 40) as u8, (y * 11) as u8, (x * y + seed) as u8])
    })
}

pub(crate) fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub(crate) fn gif(frames: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    for seed in 0..frames {
        let image = DynamicImage::ImageRgb8(picture(seed, 16, 12)).into_rgba8();
        let delay = image::Delay::from_numer_denom_ms(100, 1);
        encoder.encode_frame(Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

pub(crate) fn apng(frames: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 16, 12);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(frames, 0).unwrap();
    encoder.set_frame_delay(1, 8).unwrap();
    let mut writer = encoder.write_header().unwrap();
    (0..frames).for_each(|seed| writer.write_image_data(&picture(seed, 16, 12)).unwrap());
    writer.finish().unwrap();
    bytes
}

/// An animated WebP: the frames are lossless stills, put into the chunks of the container (RFC 9649).
pub(crate) fn webp(frames: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let mut bytes = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
        bytes.resize(bytes.len().next_multiple_of(2), 0);
        bytes
    };
    let wide = |value: u32| value.to_le_bytes()[..3].to_vec();
    let size = [wide(15), wide(11)].concat();
    let mut body = chunk(b"VP8X", &[&[2, 0, 0, 0][..], &size].concat());
    body.extend(chunk(b"ANIM", &[0; 6]));
    for seed in 0..frames {
        let mut still = Cursor::new(Vec::new());
        picture(seed, 16, 12).write_to(&mut still, ImageFormat::WebP).unwrap();
        let image = still.into_inner()[12..].to_vec();
        let header = [wide(0), wide(0), size.clone(), wide(125), vec![2]].concat();
        body.extend(chunk(b"ANMF", &[header, image].concat()));
    }
    [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
}

fn read_all(spec: &DataSpec) -> Result<usize> {
    let options = ClipOptions { frames: 4, rule: SamplingRule::Step(1), ..ClipOptions::default() };
    let source = open(spec, Split::Train, &options)?;
    let mut total = 0;
    for index in 0..source.len() {
        assert!(source.label(index).is_none_or(|label| (label as usize) < source.classes().len()));
        let clip = source.read(index)?;
        assert_eq!(clip.rgb.len(), clip.frames * clip.height * clip.width * 3);
        total += clip.rgb.len();
    }
    Ok(total)
}

fn mutated(good: &[u8], draw: &mut Stream) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match draw.below(5) {
        0 => bytes.truncate(draw.below(good.len())),
        1 => bytes.extend((0..=draw.below(64)).map(|i| (i * 7) as u8)),
        2 => {
            let (from, to) = (draw.below(good.len()), draw.below(good.len()));
            let length = draw.below(40).min(good.len() - from.max(to));
            bytes.copy_within(from..from + length, to);
        }
        kind => {
            // Headers are where the trouble is: half of the flips go there.
            let reach = if kind == 3 { good.len().min(100) } else { good.len() };
            for _ in 0..=draw.below(4) {
                bytes[draw.below(reach)] ^= 1 << draw.below(8);
            }
        }
    }
    bytes
}

/// What is opened, and the files that lie in the folder: the first is the one that suffers.
type Case = (&'static str, Vec<(&'static str, Vec<u8>)>);

#[test]
fn damaged_recordings_give_an_error_or_a_clip_in_little_time_and_memory() {
    let list = b"a/0.gif 0\n\"b c/1.gif\" 3\n".to_vec();
    let cases: Vec<Case> = vec![
        ("a.gif", vec![("a.gif", gif(5))]),
        ("a.webp", vec![("a.webp", webp(5))]),
        ("a.apng", vec![("a.apng", apng(5))]),
        ("clip", vec![("clip/2.png", png(&picture(2, 16, 12))), ("clip/1.png", png(&picture(1, 16, 12)))]),
        (
            "train.csv",
            vec![
                ("train.csv", list),
                ("test.csv", b"a/0.gif 1\n".to_vec()),
                ("a/0.gif", gif(2)),
                ("b c/1.gif", gif(2)),
            ],
        ),
    ];
    for (name, files) in cases {
        let begun = Instant::now();
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| write(dir.path(), name, bytes));
        let spec = DataSpec::parse(&dir.path().join(name).display().to_string(), FORMATS);
        if let Err(error) = read_all(&spec) {
            panic!("{name}: {error}");
        }
        let (mut refused, mut most) = (0, 0);
        for mutation in 0..MUTATIONS {
            let mut draw = Stream::new(5, Purpose::Test, name.len() as u64, mutation);
            write(dir.path(), files[0].0, &mutated(&files[0].1, &mut draw));
            PEAK.set(HELD.get());
            let (before, start) = (HELD.get(), Instant::now());
            if let Err(error) = read_all(&spec) {
                refused += 1;
                let error = error.to_string();
                // A damaged list may name a file elsewhere.
                let place = if name == "train.csv" { "`/".to_owned() } else { dir.path().display().to_string() };
                assert!(error.contains(&place), "{name}: {error}");
                assert!(error.len() < 800, "{name}: {error}");
            }
            most = most.max((PEAK.get() - before) as usize);
            assert!(most < MEMORY, "{name}, mutation {mutation}: {most} bytes");
            assert!(start.elapsed() < Duration::from_secs(20), "{name}, mutation {mutation} takes too long");
        }
        assert!(refused > MUTATIONS / 20, "{name}: only {refused} refused");
        let (seconds, mib) = (begun.elapsed().as_secs_f32(), most >> 20);
        println!("{name}: {refused} of {MUTATIONS} refused in {seconds:.1} s, at most {mib} MiB");
    }
}
