//! What a user sees when something is wrong: one clear line, never a panic, and nothing lost.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");

/// Flags of a run of seconds on one core.
const QUICK: [&str; 10] =
    ["--preset", "tiny", "--device", "cpu", "--replicas", "1", "--set", "run.steps=4", "--set", "data.threads=1"];

/// What a finished command left behind.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    /// The one error line, after checking that it is the one and no crash.
    fn error(&self) -> String {
        let Self { code, err, .. } = self;
        assert_eq!(*code, Some(1), "{err}");
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace", "unwrap()", "Os {"] {
            assert!(!err.contains(word), "`{word}` in\n{err}");
        }
        let lines: Vec<&str> = err.lines().filter(|line| line.starts_with("error:")).collect();
        assert_eq!(lines.len(), 1, "{err}");
        eprintln!("{}", lines[0]);
        lines[0].to_owned()
    }

    /// Checks that the error names every one of `words`.
    fn refuses(&self, words: &[&str]) {
        let line = self.error();
        words.iter().for_each(|word| assert!(line.contains(word), "`{word}` is missing in\n{line}"));
    }

    fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }
}

fn run<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Ended {
    run_in(Path::new("."), arguments)
}

fn run_in<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Ended {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(folder)
        .env("RUST_BACKTRACE", "1")
        .env_remove("JEPA_LOG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A scratch folder with the commands that work in it.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// `count` pictures in the folder `name`, every `nth` of them (if not 0) cut off in the middle.
    fn pictures(&self, name: &str, count: usize, nth: usize) -> PathBuf {
        for i in 0..count {
            let whole = png(28, i);
            let bytes = if nth > 0 && i % nth == nth / 2 { &whole[..whole.len() / 2] } else { &whole[..] };
            self.write(&format!("{name}/{i:04}.png"), bytes);
        }
        self.at(name)
    }

    /// Trains in the folder `run` with the quick flags and `more`.
    fn train(&self, run: &str, more: &[&str]) -> Ended {
        let out = self.at(run);
        let mut arguments = vec!["train", "i-jepa", "--no-probes", "--out", out.to_str().unwrap()];
        arguments.extend(QUICK);
        arguments.extend(more);
        run_in(self.0.path(), &arguments)
    }

    fn resume(&self, run: &str) -> Ended {
        let out = self.at(run);
        run_in(
            self.0.path(),
            &["train", "i-jepa", "--no-probes", "--resume", "--device", "cpu", "--out", out.to_str().unwrap()],
        )
    }

    /// Trains on the folder or file `data`.
    fn train_on(&self, run: &str, data: &Path) -> Ended {
        self.train(run, &["--data", data.to_str().unwrap()])
    }

    /// Events of a run.
    fn events(&self, run: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.at(run).join("events.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn quarantined(&self, run: &str) -> Vec<String> {
        let events = self.events(run);
        let entries = events.iter().filter(|e| e["kind"] == "quarantine");
        entries.map(|e| e["name"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    }

    /// Checkpoints of a run, oldest first.
    fn checkpoints(&self, run: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.at(run).join("checkpoints")).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    }
}

/// A grey picture that is different for every `seed`.
fn png(side: u32, seed: usize) -> Vec<u8> {
    let picture = image::GrayImage::from_fn(side, side, |x, y| image::Luma([(x * 7 + y * 3 + 11 * seed as u32) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn flip_a_bit(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 16;
    std::fs::write(path, bytes).unwrap();
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

// --- data ----------------------------------------------------------------------------------------------------------

#[test]
fn data_that_is_not_there_or_no_data() {
    let bench = Bench::new();
    bench.train_on("a", &bench.at("nowhere")).refuses(&["data", "nowhere", "cannot be read"]);
    std::fs::create_dir(bench.at("empty")).unwrap();
    bench.train_on("b", &bench.at("empty")).refuses(&["empty", "looked for", "png"]);
    let idx = bench.write("zero/train-images-idx3-ubyte", b"");
    bench.train_on("c", &bench.at("zero")).refuses(&["train-images-idx3-ubyte", "empty file (0 bytes)"]);
    bench.train_on("d", &idx).refuses(&["train-images-idx3-ubyte", "empty file (0 bytes)"]);
    for run in ["a", "b", "c", "d"] {
        assert!(!bench.at(run).exists(), "a run folder was left behind by an error before the run");
    }
}

#[test]
fn pictures_that_are_none() {
    let bench = Bench::new();
    bench.pictures("cut", 12, 1);
    bench.train_on("a", &bench.at("cut")).refuses(&["could not be read", ".png", "guard.max_bad_fraction"]);
    for i in 0..12 {
        bench.write(&format!("words/{i}.jpg"), b"this is a text, not a picture\n");
    }
    bench.train_on("b", &bench.at("words")).refuses(&["could not be read", ".jpg"]);
}

#[test]
fn a_few_damaged_pictures_are_listed_and_left_out_many_end_the_run() {
    let bench = Bench::new();
    // Enough steps to see every picture; a test part, so that none is held out.
    let train = |name: &str, count: usize, nth: usize, batch: &str| {
        bench.pictures(&format!("{name}/train"), count, nth);
        bench.pictures(&format!("{name}/test"), 1, 0);
        let (run, data) = (format!("run of {name}"), bench.at(name));
        let more = ["--data", data.to_str().unwrap(), "--set", batch, "--set", "run.steps=12"];
        let ended = bench.train(&run, &more);
        let mut names = bench.quarantined(&run);
        names.sort();
        (ended, names)
    };
    let (ended, names) = train("one in a thousand", 1000, 1000, "run.batch=128");
    ended.succeeds();
    assert_eq!(names, ["0500.png"]);
    let (ended, names) = train("one in 100", 100, 100, "run.batch=32");
    ended.succeeds();
    assert_eq!(names, ["0050.png"]);
    let (ended, names) = train("three in 300", 300, 100, "run.batch=32");
    ended.succeeds();
    assert_eq!(names, ["0050.png", "0150.png", "0250.png"]);
    assert_eq!(ended.err.lines().filter(|line| line.starts_with("left out: ")).count(), 3, "{}", ended.err);
    let (ended, _) = train("one in ten", 300, 10, "run.batch=32");
    ended.refuses(&["samples could not be read", "5.0 %", "guard.max_bad_fraction", ".png"]);
}

#[test]
fn a_picture_smaller_than_a_patch_is_enlarged() {
    let bench = Bench::new();
    for i in 0..20 {
        bench.write(&format!("small/{i}.png"), &png(3, i));
    }
    bench.train_on("run", &bench.at("small")).succeeds();
}

// --- names and configuration ---------------------------------------------------------------------------------------

#[test]
fn names_that_nothing_is_registered_under() {
    run(&["train", "i-jpea"]).refuses(&["unknown variant `i-jpea`", "did you mean `i-jepa`"]);
    run(&["train", "i-jepa", "--preset", "smal"]).refuses(&[
        "unknown preset `smal`",
        "did you mean `small`",
        "known: ",
    ]);
    run(&["train", "i-jepa", "--device", "quantum"]).refuses(&["unknown engine `quantum`", "known: auto, cpu"]);
    run(&["bench", "i-jpea"]).refuses(&["did you mean `i-jepa`"]);
}

#[test]
fn configurations_that_make_no_sense() {
    let bench = Bench::new();
    bench.train("a", &["--set", "model.encodr.width=3"]).refuses(&["encodr", "encoder"]);
    let file = bench.write("own.toml", b"[model.encodr]\nwidth = 3\n");
    bench.train("b", &["--config", file.to_str().unwrap()]).refuses(&["encodr", "encoder"]);
    let file = bench.write("broken.toml", b"[model\nwidth = 3\n");
    bench.train("b", &["--config", file.to_str().unwrap()]).refuses(&["broken.toml"]);
    bench.train("b", &["--config", bench.at("none.toml").to_str().unwrap()]).refuses(&["none.toml", "No such file"]);
    bench.train("c", &["--set", "run.batch=abc"]).refuses(&["run.batch", "abc", "expected"]);
    bench.train("d", &["--set", "run.batch=0"]).refuses(&["run.batch", "0 must lie in 1..="]);
    bench.train("e", &["--set", "model.masks.min_keep=1000"]).refuses(&[
        "masks.min_keep",
        "1000 is too large",
        "4 x 4",
    ]);
    bench.train("f", &["--set", "no-equals-sign"]).refuses(&["no-equals-sign", "expected key=value"]);
    bench.train("g", &["--set", "model.encoder.heads=5"]).refuses(&["model.encoder", "divisible", "heads"]);
    for run in ["a", "b", "c", "d", "e", "f", "g"] {
        assert!(!bench.at(run).exists(), "a run folder was left behind by an error before the run");
    }
}

// --- runs and checkpoints ------------------------------------------------------------------------------------------

#[test]
fn a_damaged_checkpoint_is_passed_over_aloud_and_without_a_sound_one_the_run_stays_put() {
    let bench = Bench::new();
    bench.train("run", &["--set", "run.checkpoint_every=2"]).succeeds();
    let checkpoints = bench.checkpoints("run");
    assert_eq!(checkpoints.len(), 2, "{checkpoints:?}");
    flip_a_bit(&checkpoints[1].join("student.safetensors"));
    let ended = bench.resume("run");
    ended.succeeds();
    assert!(
        ended.err.contains("a newer checkpoint was passed over") && ended.err.contains("step-000000004"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("steps 3 to 4"), "{}", ended.err);

    for checkpoint in bench.checkpoints("run") {
        flip_a_bit(&checkpoint.join("student.safetensors"));
    }
    bench.resume("run").refuses(&["no usable checkpoint", "step-000000004", "step-000000002", "damaged", "SHA-256"]);
    let out = bench.at("run");
    run(&["probe", out.to_str().unwrap(), "--kind", "knn", "--device", "cpu"])
        .refuses(&["no usable checkpoint", "SHA-256"]);
}

#[test]
fn a_run_whose_checkpoints_are_gone_begins_again_aloud() {
    let bench = Bench::new();
    bench.train("run", &[]).succeeds();
    std::fs::remove_dir_all(bench.at("run").join("checkpoints")).unwrap();
    let ended = bench.resume("run");
    ended.succeeds();
    assert!(ended.err.contains("had no checkpoint yet: it begins again"), "{}", ended.err);
}

#[test]
fn one_picture_trains_without_collapse_figures_and_says_so() {
    let bench = Bench::new();
    bench.write("one/0.png", &png(28, 0));
    let ended = bench.train_on("run", &bench.at("one"));
    ended.succeeds();
    assert!(ended.err.contains("no collapse figures"), "{}", ended.err);
}

#[test]
fn numbers_that_leave_the_finite_range_end_in_words_and_the_run_is_kept() {
    let bench = Bench::new();
    let wild = ["--set", "run.steps=60", "--set", "schedule.lr=1e30", "--set", "schedule.lr_start=1e30"];
    let ended = bench.train("run", &wild);
    ended.refuses(&["training stopped at step", "not finite", "schedule.lr"]);
    for words in ["rolled back to step", "go on with --resume --out"] {
        assert!(ended.err.contains(words), "`{words}` is missing in\n{}", ended.err);
    }
}

#[test]
fn checkpoints_of_another_variant() {
    let bench = Bench::new();
    bench.train("run", &[]).succeeds();
    let manifest = bench.checkpoints("run")[0].join("manifest.json");
    replace(&manifest, "\"i-jepa\"", "\"x-jepa\"");
    bench.resume("run").refuses(&["is a checkpoint of `x-jepa`, not of `i-jepa`"]);
    replace(&bench.at("run").join("run.json"), "\"i-jepa\",\n  \"preset\"", "\"x-jepa\",\n  \"preset\"");
    bench.resume("run").refuses(&["is a run of `x-jepa`, not of `i-jepa`"]);
    let out = bench.at("run");
    run(&["probe", out.to_str().unwrap(), "--kind", "knn"]).refuses(&["unknown variant `x-jepa`", "i-jepa"]);
}

#[test]
fn folders_that_hold_no_run_or_one_already() {
    let bench = Bench::new();
    bench.resume("nothing").refuses(&["nothing", "run"]);
    let ended = run_in(bench.0.path(), &["train", "i-jepa", "--resume"]);
    ended.refuses(&["--resume", "no unfinished run", "--out"]);
    bench.train("run", &[]).succeeds();
    bench.train("run", &[]).refuses(&["already a run", "--resume", "--out"]);
    let out = bench.at("run");
    let ended = run(&["train", "i-jepa", "--resume", "--steps", "9", "--out", out.to_str().unwrap()]);
    ended.refuses(&["--resume", "config.toml"]);
    run(&["probe", bench.at("nothing").to_str().unwrap(), "--kind", "knn"]).refuses(&["nothing", "no such run"]);
}

/// A small disk, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf, kib: usize) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={kib}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&path).stderr(Stdio::null()).status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_the_checkpoint_before_still_loads() {
    let bench = Bench::new();
    // A checkpoint of `tiny` has about 0.6 MB; the disk holds one, and not the second beside it.
    let Some(disk) = SmallDisk::mount(bench.at("disk"), 1000) else {
        eprintln!("skipped: mounting a small file system is not permitted here");
        return;
    };
    let ended = bench.train("disk/run", &["--set", "run.steps=8", "--set", "run.checkpoint_every=2"]);
    ended.refuses(&["cannot write", "disk/run", "No space left"]);
    let kept = bench.checkpoints("disk/run");
    assert!(kept.iter().any(|path| path.ends_with("step-000000002")), "{kept:?}");
    let (out, features) = (disk.0.join("run"), bench.at("features.npz"));
    let (out, features) = (out.to_str().unwrap(), features.to_str().unwrap());
    run(&["embed", out, "--data", "builtin", "--split", "test", "--device", "cpu", "--out", features]).succeeds();
}

#[test]
fn ctrl_c_saves_says_how_to_go_on_and_that_works() {
    let bench = Bench::new();
    let out = bench.at("run");
    let mut arguments = vec!["train", "i-jepa", "--no-probes", "--out", out.to_str().unwrap()];
    arguments.extend(QUICK);
    arguments.extend(["--set", "run.steps=100000"]);
    let child = Command::new(PROGRAM).args(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let steps =
        || std::fs::read_to_string(out.join("events.jsonl")).unwrap_or_default().matches("\"kind\":\"step\"").count();
    while steps() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no step in a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{err}");
    let command = format!("cargo xtask train i-jepa --resume --out {}", out.display());
    assert!(err.contains(&command), "{err}");
    let info: serde_json::Value = serde_json::from_slice(&std::fs::read(out.join("run.json")).unwrap()).unwrap();
    assert_eq!(info["state"], "interrupted");

    // A hundred thousand steps are too many for a test: the run is told to end soon.
    let done: usize =
        bench.checkpoints("run").last().unwrap().file_name().unwrap().to_str().unwrap()[5..].parse().unwrap();
    replace(&out.join("config.toml"), "steps = 100000", &format!("steps = {}", done + 3));
    let ended = bench.resume("run");
    ended.succeeds();
    assert!(ended.err.contains(&format!("steps {} to {}", done + 1, done + 3)), "{}", ended.err);
}

// --- what programs read --------------------------------------------------------------------------------------------

#[test]
fn the_list_of_variants_is_one_json_object() {
    let ended = run(&["variants", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&ended.succeeds().out).unwrap();
    assert_eq!(ended.out.trim_end().lines().count(), 1);
    let ids: Vec<&str> =
        object["variants"].as_array().unwrap().iter().map(|v| v["description"]["id"].as_str().unwrap()).collect();
    let known = "autoencoder barlow-twins byol c-jepa dino h-jepa i-jepa lejepa mae mc-jepa moco pldm point-jepa s-jepa \
                 simclr v-jepa v-jepa-2 v-jepa-2-ac vicreg";
    assert_eq!(ids, known.split_whitespace().collect::<Vec<_>>());
}

#[test]
#[cfg(target_os = "linux")]
fn results_end_well_when_nobody_reads_on_and_say_so_when_they_cannot_be_written() {
    let mut child =
        Command::new(PROGRAM).arg("variants").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let closed = child.wait_with_output().unwrap();
    assert!(closed.status.success() && closed.stderr.is_empty(), "{}", String::from_utf8_lossy(&closed.stderr));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(PROGRAM).arg("variants").stdout(full).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    Ended { code: output.status.code(), out: String::new(), err }.refuses(&["standard output", "No space"]);
}

#[test]
fn an_engine_that_the_program_lacks_names_the_feature_that_brings_it() {
    if !cfg!(feature = "cuda") {
        run(&["train", "i-jepa", "--preset", "tiny", "--device", "cuda:1"]).refuses(&["cuda:1", "--features cuda"]);
    }
    run(&["train", "i-jepa", "--preset", "tiny", "--device", "cudo:1"]).refuses(&["cudo:1", "cpu"]);
}
