//! A run that is followed: whatever happens to its log, what was said is shown, and nothing else.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jepa_gui::runs::{Follower, Found, Reading, Tail};

fn follow(folder: &Path) -> (Follower, egui::Context) {
    let context = egui::Context::default();
    (Follower::new(folder, &context), context)
}

/// Polls until `done`, as frames would.
fn wait(follower: &mut Follower, context: &egui::Context, what: &str, done: impl Fn(&Follower) -> bool) {
    let clock = Instant::now();
    while !done(follower) {
        follower.poll(context);
        let Follower { history, reading, .. } = follower;
        assert!(clock.elapsed() < Duration::from_secs(30), "{what}: {reading:?}, step {}", history.step());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn step(step: u64) -> String {
    format!(
        "{{\"kind\":\"step\",\"step\":{step},\"loss\":{},\"terms\":{{\"energy\":{},\"context_tokens\":20.0,\
         \"target_tokens\":6.0}},\"lr\":0.001,\"decay\":0.04,\"momentum\":0.996,\"grad_norm\":0.5,\"rate\":512.25,\
         \"time\":{}}}\n",
        1.0 / step as f64,
        0.5 / step as f64,
        1_700_000_000.0 + step as f64 * 0.01
    )
}

#[test]
fn a_log_that_grows_in_pieces_of_any_size_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let (mut follower, context) = follow(folder.path());
    wait(&mut follower, &context, "no file yet", |f| matches!(f.reading, Reading::Missing(_)));
    let text: String = (1..=200).map(step).collect();
    let mut file = File::create(&path).unwrap();
    for (i, piece) in text.as_bytes().chunks(97).enumerate() {
        file.write_all(piece).unwrap();
        if i % 40 == 0 {
            std::thread::sleep(Duration::from_millis(30));
            follower.poll(&context);
        }
    }
    // Half a line waits for its other half.
    let last = step(201);
    file.write_all(&last.as_bytes()[..60]).unwrap();
    wait(&mut follower, &context, "whole lines", |f| f.history.step() == 200);
    std::thread::sleep(Duration::from_millis(300));
    follower.poll(&context);
    assert_eq!((follower.history.step(), follower.history.unknown), (200, 0));
    file.write_all(&last.as_bytes()[60..]).unwrap();
    wait(&mut follower, &context, "the other half", |f| f.history.step() == 201);
    assert_eq!(follower.history.steps().len(), 201);
    assert_eq!(follower.history.column("term:energy").unwrap()[1], 0.25);
}

#[test]
fn the_end_of_a_log_is_said_with_its_last_events_and_not_before() {
    const STEPS: u64 = 2000;
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be read in pieces on several cores.
    fs::write(folder.path().join("events.jsonl"), (1..=STEPS).map(step).collect::<String>()).unwrap();
    let tail = Tail::follow(folder.path(), &egui::Context::default());
    let (clock, mut seen) = (Instant::now(), 0);
    while seen < STEPS {
        assert!(clock.elapsed() < Duration::from_secs(30), "{seen} steps arrived");
        let Some(Found::Events { block, read, of }) = tail.next() else { continue };
        seen = block.steps.last().copied().unwrap_or(seen);
        assert_eq!(read >= of, seen == STEPS, "{read} of {of} bytes at step {seen}");
    }
}

#[test]
fn truncation_replacement_deletion_and_rebirth_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, (1..=50).map(step).collect::<String>()).unwrap();
    let (mut follower, context) = follow(folder.path());
    wait(&mut follower, &context, "read", |f| f.history.step() == 50);
    fs::write(&path, step(1)).unwrap();
    wait(&mut follower, &context, "cut short", |f| f.history.steps() == [1]);
    // Another file under the same name, as long as the old one or longer.
    let other = folder.path().join("other");
    fs::write(&other, (1..=70).map(step).collect::<String>()).unwrap();
    fs::rename(&other, &path).unwrap();
    wait(&mut follower, &context, "replaced", |f| f.history.step() == 70);
    fs::remove_file(&path).unwrap();
    wait(&mut follower, &context, "deleted", |f| matches!(f.reading, Reading::Missing(_)));
    assert_eq!(follower.history.step(), 70, "what was said is still shown");
    fs::write(&path, (1..=3).map(step).collect::<String>()).unwrap();
    wait(&mut follower, &context, "back again", |f| f.history.step() == 3);
}

#[test]
fn foreign_files_are_no_events_and_no_trouble() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut bytes: Vec<u8> = (0..200_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    bytes.push(b'\n');
    bytes.extend(step(7).as_bytes());
    fs::write(&path, bytes).unwrap();
    let (mut follower, context) = follow(folder.path());
    wait(&mut follower, &context, "the one event", |f| f.history.step() == 7);
    assert!(follower.history.unknown > 0);
    // A folder in the place of the file.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("events.jsonl")).unwrap();
    let (mut follower, context) = follow(folder.path());
    std::thread::sleep(Duration::from_millis(300));
    follower.poll(&context);
    assert_eq!(follower.history.step(), 0);
}

/// `cargo test --package jepa-gui --test promises tail -- --ignored --nocapture`
#[test]
#[ignore = "writes 260 MB; prints how long a million events take to open"]
fn a_million_events_open_in_two_seconds_while_the_window_reacts() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::io::BufWriter::new(File::create(folder.path().join("events.jsonl")).unwrap());
    for i in 1..=1_000_000 {
        file.write_all(step(i).as_bytes()).unwrap();
    }
    file.into_inner().unwrap().sync_all().unwrap();
    let (mut follower, context) = follow(folder.path());
    let (clock, mut longest, mut polls) = (Instant::now(), Duration::ZERO, 0);
    while follower.history.step() < 1_000_000 {
        let frame = Instant::now();
        follower.poll(&context);
        longest = longest.max(frame.elapsed());
        polls += 1;
        std::thread::sleep(Duration::from_millis(4));
        assert!(clock.elapsed() < Duration::from_secs(120));
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!("1,000,000 events in {seconds:.2} s; {polls} frames meanwhile, the longest took {longest:?} of reading");
    assert!(longest < Duration::from_millis(100));
    assert!(seconds < 2.0, "{seconds}");
}
