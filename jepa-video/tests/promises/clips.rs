//! Recordings on disk, in every layout and format, read as clips.

use std::path::Path;
use std::process::Command;

use image::RgbImage;
use jepa_core::data::{DataSpec, Source, Split};
use jepa_core::error::Result;
use jepa_video::data::{Clip, ClipOptions, FORMATS, SamplingRule, open};

fn options() -> ClipOptions {
    ClipOptions { frames: 4, rule: SamplingRule::Step(1), ..ClipOptions::default() }
}

fn source(path: &Path, split: Split) -> Result<Box<dyn Source<Sample = Clip>>> {
    open(&DataSpec::parse(&path.display().to_string(), FORMATS), split, &options())
}

/// A frame whose colour is its number.
fn save_frame(path: &Path, number: u8, width: u32, height: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_pixel(width, height, image::Rgb([number, 100, 200])).save(path).unwrap();
}

fn save_recording(folder: &Path, frames: u8) {
    (1..=frames).for_each(|number| save_frame(&folder.join(format!("f{number}.png")), number, 8, 6));
}

fn save_gif(path: &Path, frames: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut encoder = image::codecs::gif::GifEncoder::new_with_speed(file, 1);
    for number in 0..frames {
        let image = image::RgbaImage::from_pixel(8, 6, image::Rgba([number * 20, 0, 0, 255]));
        let delay = image::Delay::from_numer_denom_ms(250, 1);
        encoder.encode_frame(image::Frame::from_parts(image, 0, 0, delay)).unwrap();
    }
}

#[test]
fn frames_come_in_natural_order_with_labels_from_folders() {
    let dir = tempfile::tempdir().unwrap();
    save_recording(&dir.path().join("jump/one"), 12);
    save_recording(&dir.path().join("jump/two"), 12);
    save_recording(&dir.path().join("walk/deep/down/three"), 12);
    std::fs::write(dir.path().join("walk/notes.md"), "words").unwrap();
    let clips = source(dir.path(), Split::Train).unwrap();
    assert_eq!((clips.len(), clips.classes()), (3, &["jump".to_owned(), "walk".to_owned()][..]));
    assert_eq!((0..3).map(|i| clips.label(i).unwrap()).collect::<Vec<_>>(), [0, 0, 1]);
    let wide = ClipOptions { frames: 12, ..options() };
    let spec = DataSpec::parse(&dir.path().display().to_string(), FORMATS);
    let clip = open(&spec, Split::Train, &wide).unwrap().read(0).unwrap();
    assert_eq!((clip.frames, clip.height, clip.width), (12, 6, 8));
    let numbers: Vec<u8> = (0..12).map(|i| clip.frame(i).unwrap()[0]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "f10 comes after f9");
}

#[test]
fn a_flat_folder_a_single_recording_and_a_part_for_testing() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["train/a", "train/b", "test/c"] {
        save_recording(&dir.path().join(name), 3);
    }
    save_gif(&dir.path().join("train/d.gif"), 5);
    let (train, test) = (source(dir.path(), Split::Train).unwrap(), source(dir.path(), Split::Test).unwrap());
    assert_eq!((train.len(), test.len(), train.classes().len(), train.label(0)), (3, 1, 0, None));
    let one = source(&dir.path().join("train/a"), Split::Train).unwrap();
    assert_eq!((one.len(), one.read(0).unwrap().frames), (1, 4));
    let gif = source(&dir.path().join("train/d.gif"), Split::Train).unwrap().read(0).unwrap();
    let reds: Vec<u8> = (0..4).map(|i| gif.frame(i).unwrap()[0]).collect();
    assert_eq!(reds, [0, 20, 40, 60]);
}

#[test]
fn a_list_of_paths_and_labels_is_read_as_the_official_code_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    save_gif(&dir.path().join("some videos/a.gif"), 4);
    save_gif(&dir.path().join("b.gif"), 4);
    std::fs::write(dir.path().join("train.csv"), "\"some videos/a.gif\" 2\nb.gif 0\n\n").unwrap();
    std::fs::write(dir.path().join("val.csv"), "b.gif 4\n").unwrap();
    let list = dir.path().join("train.csv");
    let (train, test) = (source(&list, Split::Train).unwrap(), source(&list, Split::Test).unwrap());
    assert_eq!((train.len(), train.label(0), train.label(1), train.classes().len()), (2, Some(2), Some(0), 5));
    assert_eq!((test.len(), test.label(0)), (1, Some(4)));
    train.read(0).unwrap();
    for (text, expected) in [("a.gif\n", "line 1"), ("a.gif x\n", "line 1"), ("", "0 bytes"), ("\n\n", "no recordings")]
    {
        std::fs::write(dir.path().join("bad.csv"), text).unwrap();
        let error = source(&dir.path().join("bad.csv"), Split::Train).err().unwrap().to_string();
        assert!(error.contains("bad.csv") && error.contains(expected), "{error}");
    }
}

#[test]
fn damaged_recordings_say_what_is_wrong_with_them() {
    let dir = tempfile::tempdir().unwrap();
    save_recording(&dir.path().join("odd"), 3);
    save_frame(&dir.path().join("odd/f2.png"), 2, 9, 6);
    save_recording(&dir.path().join("torn"), 3);
    std::fs::write(dir.path().join("torn/f2.png"), b"\x89PNG").unwrap();
    std::fs::write(dir.path().join("zero.gif"), b"").unwrap();
    std::fs::write(dir.path().join("head.gif"), b"GIF89a\x08\0\x06\0\0\0\0;").unwrap();
    for (name, expected) in [
        ("odd", "is 9x6, but the frames before are 8x6"),
        ("torn", "f2.png"),
        ("zero.gif", "0 bytes"),
        ("head.gif", "cannot be decoded"),
    ] {
        let error = source(&dir.path().join(name), Split::Train).and_then(|s| s.read(0)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
    }
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let error = source(&dir.path().join("empty"), Split::Train).err().unwrap().to_string();
    assert!(error.contains("no recordings found") && error.contains("mp4"), "{error}");
    assert!(source(&dir.path().join("missing"), Split::Train).err().unwrap().to_string().contains("cannot be read"));
    // One frame is a still clip.
    save_frame(&dir.path().join("still/f.png"), 7, 8, 6);
    let still = source(&dir.path().join("still"), Split::Train).unwrap().read(0).unwrap();
    assert!((0..4).all(|i| still.frame(i).unwrap()[0] == 7));
    // A rate is needed where the rule counts seconds.
    let by_rate = ClipOptions { rule: SamplingRule::Fps(4.0), ..options() };
    let spec = DataSpec::parse(&dir.path().join("still").display().to_string(), FORMATS);
    let error = open(&spec, Split::Train, &by_rate).unwrap().read(0).unwrap_err().to_string();
    assert!(error.contains("frames a second") && error.contains("still"), "{error}");
    assert!(open(&spec, Split::Train, &ClipOptions { rate: Some(24.0), ..by_rate }).unwrap().read(0).is_ok());
}

#[test]
fn large_frames_are_reduced_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    (0..4).for_each(|n| save_frame(&dir.path().join(format!("big/{n}.png")), n, 160, 120));
    let spec = DataSpec::parse(&dir.path().join("big").display().to_string(), FORMATS);
    let clip = open(&spec, Split::Train, &ClipOptions { shorter: Some(30), ..options() }).unwrap().read(0).unwrap();
    assert_eq!((clip.height, clip.width, clip.frame(3).unwrap()[0]), (30, 40, 3));
}

/// Whether `ffmpeg` is there; says so when not.
fn ffmpeg(test: &str) -> bool {
    let found = Command::new("ffmpeg").arg("-version").output().is_ok_and(|out| out.status.success());
    if !found {
        println!("skipped: {test} needs the program ffmpeg");
    }
    found
}

#[test]
fn videos_give_exactly_the_frames_asked_for() {
    if !ffmpeg("videos_give_exactly_the_frames_asked_for") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    (0..40).for_each(|n| save_frame(&dir.path().join(format!("in/{n:03}.png")), 6 * n, 64, 48));
    let frames = dir.path().join("in/%03d.png");
    for (name, codec) in [("a.mkv", "ffv1"), ("a.avi", "ffv1"), ("a.mp4", "libx264rgb")] {
        let path = dir.path().join(name);
        let made = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-framerate", "10", "-i"])
            .arg(&frames)
            .args(["-c:v", codec, "-qp", "0", "-pix_fmt", if codec == "ffv1" { "bgr0" } else { "rgb24" }])
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let wide = ClipOptions { frames: 8, rule: SamplingRule::Step(4), ..options() };
        let spec = DataSpec::parse(&path.display().to_string(), FORMATS);
        let clip = open(&spec, Split::Train, &wide).unwrap().read(0).unwrap();
        let numbers: Vec<u8> = (0..8).map(|i| clip.frame(i).unwrap()[0] / 6).collect();
        assert_eq!(
            (numbers.as_slice(), clip.height, clip.width),
            (&[0, 4, 9, 13, 18, 22, 27, 31][..], 48, 64),
            "{name}"
        );
        let by_rate = ClipOptions { rule: SamplingRule::Fps(5.0), frames: 8, ..options() };
        let clip = open(&spec, Split::Train, &by_rate).unwrap().read(0).unwrap();
        assert_eq!(clip.frame(1).unwrap()[0] / 6, 2, "10 frames a second, 5 wanted");
        let small = ClipOptions { shorter: Some(24), ..options() };
        assert_eq!(open(&spec, Split::Train, &small).unwrap().read(0).unwrap().width, 32);
        // Cut off in the middle: an error that names the file, or what was there before the cut.
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
        match open(&spec, Split::Train, &wide).unwrap().read(0) {
            Err(error) => assert!(error.to_string().contains(name), "{error}"),
            // Matroska has no index to lose: it is a shorter recording now.
            Ok(clip) => assert!(name == "a.mkv" && clip.frame(7).unwrap()[0] / 6 < 20, "{name}"),
        }
    }
}

#[test]
fn what_ffmpeg_cannot_or_must_not_read_is_an_error_with_its_path() {
    if !ffmpeg("what_ffmpeg_cannot_or_must_not_read_is_an_error_with_its_path") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    save_gif(&dir.path().join("a.gif"), 4);
    let secret = dir.path().join("a.gif").display().to_string();
    for (name, bytes) in [
        ("poem.mp4", b"these are words, not pixels".to_vec()),
        ("zero.avi", Vec::new()),
        ("list.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n").into_bytes()),
        ("-option.mkv", b"\x1a\x45\xdf\xa3".to_vec()),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = source(&path, Split::Train).and_then(|s| s.read(0)).unwrap_err().to_string();
        assert!(error.contains(name) && error.len() < 600, "{error}");
    }
}
