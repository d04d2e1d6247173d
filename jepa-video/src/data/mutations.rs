//! Damaged recordings of every format that is decoded here: an error or a clip, never a panic, a wait or much memory.

use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, RgbImage};
use jepa_core::damage::{Counting, Limits};
use jepa_core::data::{DataSpec, Split};

use super::*;

#[global_allocator]
static COUNTING: Counting = Counting;

/// For files of a few kilobytes. A header may promise frames of 8K, which are decoded: that is the bound.
const LIMITS: Limits = Limits { mutations: 2000, memory: 512 << 20, time: Duration::from_secs(20), refused: 0.05 };

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
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| write(dir.path(), name, bytes));
        let spec = DataSpec::parse(&dir.path().join(name).display().to_string(), FORMATS);
        // A damaged list may name a file elsewhere.
        let place = if name == "train.csv" { "`/".to_owned() } else { dir.path().display().to_string() };
        let toll = LIMITS.withstood(name, &files[0].1, |bytes| {
            write(dir.path(), files[0].0, bytes);
            let blames = |text: String| text.contains(&place);
            read_all(&spec).inspect_err(|error| assert!(blames(error.to_string()), "{name}: {error}")).map(drop)
        });
        println!("{name}: {:?}", toll.unwrap());
    }
}
