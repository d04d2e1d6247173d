//! MP4, AVI, WebM, MKV through the programs `ffprobe` and `ffmpeg`: there is no decoder of these in plain Rust.
//!
//! Only the frames asked for come through the pipe. Frame numbers count decoded frames from the beginning, as in the
//! official reader, so that decoding starts there and ends with the last frame wanted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use jepa_core::error::{Error, Result};
use jepa_core::picture::MAX_SIDE;

use super::{check_bytes, reduced};
use crate::data::clip::Clip;

/// Containers that are opened: a playlist that calls itself `.mp4` must not make the program read other files.
const CONTAINERS: &str = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,mpegvideo,ogg,flv,asf";
/// Most bytes of an answer or a message that are kept.
const MAX_TEXT: u64 = 64 << 10;

/// What to call.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) ffmpeg: PathBuf,
    pub(crate) ffprobe: PathBuf,
}

impl Default for Programs {
    fn default() -> Self {
        Self { ffmpeg: "ffmpeg".into(), ffprobe: "ffprobe".into() }
    }
}

impl Programs {
    /// Whether both programs start; `path` is the file that needs them.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        for program in [&self.ffmpeg, &self.ffprobe] {
            let mut command = Command::new(program);
            command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let status = command.status().map_err(|error| missing(path, program, &error))?;
            if !status.success() {
                return Err(Error::format(path, format!("`{} -version` ended with {status}", program.display())));
            }
        }
        Ok(())
    }
}

fn missing(path: &Path, program: &Path, error: &std::io::Error) -> Error {
    let problem = format!(
        "needs the program `{}`, which does not start ({error}); install it with `apt-get install ffmpeg`, `brew install \
         ffmpeg` or `winget install ffmpeg`, or convert the video to a folder of PNG frames",
        program.display()
    );
    Error::format(path, problem)
}

/// A video whose header was read.
#[derive(Debug)]
pub(crate) struct Video {
    path: PathBuf,
    ffmpeg: PathBuf,
    height: usize,
    width: usize,
    pub(crate) count: usize,
    pub(crate) rate: Option<f64>,
}

impl Video {
    /// Asks for size, rate and number of frames of the first video stream.
    pub(crate) fn open(path: &Path, programs: &Programs) -> Result<Self> {
        let entries = "stream=width,height,avg_frame_rate,nb_frames,nb_read_packets";
        let ask = |extra: &[&str]| -> Result<String> {
            let mut command = Command::new(&programs.ffprobe);
            command.args(["-v", "error", "-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS]);
            command.args(["-select_streams", "v:0", "-show_entries", entries, "-of", "default=noprint_wrappers=1"]);
            command.args(extra).arg(url(path));
            let (output, complaint) = Running::start(&mut command, path, &programs.ffprobe)?.finish(MAX_TEXT)?;
            complaint
                .map_or(Ok(()), |text| Err(Error::format(path, format!("is no video that ffmpeg knows: {text}"))))?;
            Ok(String::from_utf8_lossy(&output).into_owned())
        };
        let answer = ask(&[])?;
        let number = |text: &str, key: &str| value(text, key).and_then(|value| value.parse::<usize>().ok());
        let (Some(width), Some(height)) = (number(&answer, "width"), number(&answer, "height")) else {
            return Err(Error::format(path, "holds no video stream"));
        };
        if width == 0 || height == 0 || width.max(height) > MAX_SIDE as usize {
            let problem = format!("promises frames of {width}x{height}; expected 1 to {MAX_SIDE} a side");
            return Err(Error::format(path, problem));
        }
        // Matroska and WebM do not say how many frames there are: their packets are counted.
        let count = match number(&answer, "nb_frames") {
            Some(count) => count,
            None => number(&ask(&["-count_packets"])?, "nb_read_packets").unwrap_or(0),
        };
        if count == 0 {
            return Err(Error::format(path, "holds 0 frames"));
        }
        let rate = value(&answer, "avg_frame_rate").and_then(ratio);
        Ok(Self { path: path.to_path_buf(), ffmpeg: programs.ffmpeg.clone(), height, width, count, rate })
    }

    /// The frames `wanted`, ascending.
    pub(crate) fn read(&self, wanted: &[usize], shorter: Option<usize>) -> Result<Clip> {
        let (height, width) = reduced(self.height, self.width, shorter);
        check_bytes(wanted.len(), height, width).map_err(|problem| Error::format(&self.path, problem))?;
        let mut command = Command::new(&self.ffmpeg);
        command.args(["-nostdin", "-v", "error", "-threads", "1", "-noautorotate"]);
        command.args(["-protocol_whitelist", "file,pipe", "-format_whitelist", CONTAINERS]);
        command.arg("-i").arg(url(&self.path)).args(["-map", "0:v:0", "-an", "-sn", "-dn"]);
        command.args(every_frame(&self.ffmpeg, &self.path)?);
        let mut filter = format!("select={}", selection(wanted));
        if (height, width) != (self.height, self.width) {
            filter += &format!(",scale={width}:{height}:flags=area");
        }
        command.args(["-vf", &filter, "-frames:v", &wanted.len().to_string()]);
        command.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
        let size = height * width * 3;
        let running = Running::start(&mut command, &self.path, &self.ffmpeg)?;
        let (rgb, complaint) = running.finish((wanted.len() * size) as u64)?;
        let found = rgb.len() / size;
        if found < wanted.len() {
            let cause = complaint.unwrap_or_else(|| "was a download or copy interrupted?".to_owned());
            let problem = format!("gives {found} of the {} frames wanted of its {}: {cause}", wanted.len(), self.count);
            return Err(Error::format(&self.path, problem));
        }
        Clip::new(wanted.len(), height, width, rgb).map_err(|error| Error::format(&self.path, error.to_string()))
    }
}

/// Whether a program, by its path, is older than the option `-fps_mode`; each is asked once.
static OLD: Mutex<BTreeMap<PathBuf, bool>> = Mutex::new(BTreeMap::new());

/// The option of `program` that gives every decoded frame once, none doubled or dropped to even out their times. `path` is
/// the file that needs it.
fn every_frame(program: &Path, path: &Path) -> Result<[&'static str; 2]> {
    // Threads that come meanwhile wait for the answer.
    let mut known = OLD.lock().unwrap_or_else(PoisonError::into_inner);
    let old = match known.get(program).copied() {
        Some(old) => old,
        None => {
            let running = Running::start(Command::new(program).arg("-version"), path, program)?;
            let (answer, _) = running.finish(MAX_TEXT)?;
            let old = is_old(&String::from_utf8_lossy(&answer));
            known.insert(program.to_path_buf(), old);
            old
        }
    };
    Ok(if old { ["-vsync", "0"] } else { ["-fps_mode", "passthrough"] })
}

/// Whether the answer to `-version` names a version below 5.1, the first that knows `-fps_mode`; `-vsync` is gone since 9.
/// An answer without a version, as builds between two releases give it, is that of a new program.
fn is_old(answer: &str) -> bool {
    let Some(version) = answer.trim_start().strip_prefix("ffmpeg version ") else { return false };
    let mut numbers = version.strip_prefix('n').unwrap_or(version).split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|digits| digits.parse::<u32>().ok());
    number().is_some_and(|major| (major, number().unwrap_or(0)) < (5, 1))
}

/// An expression that is true for the frames `wanted`: runs of them, joined with a plus.
fn selection(wanted: &[usize]) -> String {
    let runs = wanted.chunk_by(|a, b| a + 1 == *b).filter_map(|run| Some((run.first()?, run.last()?)));
    let terms: Vec<String> = runs.map(|(first, last)| format!(r"between(n\,{first}\,{last})")).collect();
    terms.join("+")
}

/// A local file, even one whose name looks like an option or an address.
fn url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

fn value<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.split_once('=').filter(|(found, _)| *found == key).map(|(_, value)| value))
}

/// `30000/1001` as a number.
fn ratio(text: &str) -> Option<f64> {
    let (over, under) = text.split_once('/')?;
    let rate = over.parse::<f64>().ok()? / under.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then_some(rate)
}

/// A program that is ended when nobody waits for it any more.
struct Running {
    child: Child,
    path: PathBuf,
}

impl Running {
    fn start(command: &mut Command, path: &Path, program: &Path) -> Result<Self> {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = piped.spawn().map_err(|error| missing(path, program, &error))?;
        Ok(Self { child, path: path.to_path_buf() })
    }

    /// What the program writes, `limit` bytes at most, and its complaint: its last words when it fails or gives nothing.
    fn finish(mut self, limit: u64) -> Result<(Vec<u8>, Option<String>)> {
        let (output, errors) = (self.child.stdout.take(), self.child.stderr.take());
        // Both pipes are emptied at once: a program that waits for one of them would never close the other.
        let complaints = std::thread::spawn(move || {
            let mut text = Vec::new();
            if let Some(mut errors) = errors {
                let _ = errors.by_ref().take(MAX_TEXT).read_to_end(&mut text);
                let _ = std::io::copy(&mut errors, &mut std::io::sink());
            }
            text
        });
        let mut bytes = Vec::new();
        if let Some(output) = output {
            output.take(limit).read_to_end(&mut bytes).map_err(Error::io("read", &self.path))?;
        }
        let status = self.child.wait().map_err(Error::io("read", &self.path))?;
        let text = complaints.join().unwrap_or_default();
        if status.success() && !bytes.is_empty() {
            return Ok((bytes, None));
        }
        let text = String::from_utf8_lossy(&text);
        let last = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("it says nothing");
        Ok((bytes, Some(last.chars().take(200).collect())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_below_5_1_is_old() {
        for old in ["4.4.2-0ubuntu0.22.04.1 Copyright (c) 2000-2021", "3.4", "n4.4.1", "5.0.3", "5.0-static", "2.8.17"]
        {
            assert!(is_old(&format!("ffmpeg version {old}\nbuilt with gcc 11")), "{old}");
        }
        for new in ["5.1.9-0+deb12u1", "5.1", "n6.0", "8.0.1", "10.0", "N-1234-gabc", "2024-05-02-git-71", "git-2019"] {
            assert!(!is_old(&format!("ffmpeg version {new} Copyright (c) 2000-2026")), "{new}");
        }
        assert!(!is_old("") && !is_old("a program 4.4"));
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_asked_for_its_version_once_and_given_the_option_that_it_knows() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        for (version, expected) in [("4.4.2-0ubuntu", "-vsync 0"), ("9.0", "-fps_mode passthrough")] {
            // Writes down what it is called with, and gives two pixels whatever is wanted.
            let ffmpeg = dir.path().join(version);
            let answer = format!("-version) echo 'ffmpeg version {version} Copyright';; *) printf 'abcdef';;");
            let script = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$0.calls\"\ncase \"$1\" in {answer} esac\n");
            std::fs::write(&ffmpeg, script).unwrap();
            std::fs::set_permissions(&ffmpeg, std::fs::Permissions::from_mode(0o755)).unwrap();
            for name in ["a.mp4", "b.mp4"] {
                let path = dir.path().join(name);
                let video = Video { path, ffmpeg: ffmpeg.clone(), height: 1, width: 1, count: 9, rate: None };
                assert_eq!(video.read(&[0, 4], None).unwrap().rgb, b"abcdef");
            }
            let calls = std::fs::read_to_string(dir.path().join(format!("{version}.calls"))).unwrap();
            let (asked, read): (Vec<&str>, Vec<&str>) = calls.lines().partition(|call| *call == "-version");
            assert_eq!((asked.len(), read.len()), (1, 2), "{calls}");
            assert!(read.iter().all(|call| call.contains(expected)), "{calls}");
        }
    }
}
