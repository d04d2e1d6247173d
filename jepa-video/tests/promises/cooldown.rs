//! The second phase of V-JEPA 2: a run that begins with what another came to, on longer clips, at a rate that falls.

use std::path::{Path, PathBuf};

use jepa_core::checkpoint::{Disk, Named, decode, load_latest};
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::runlog::{Event, Observer};
use jepa_core::train::Outcome;

/// Learning rates and warnings of a run.
#[derive(Default)]
struct Log {
    rates: Vec<f64>,
    warnings: Vec<String>,
}

impl Observer for Log {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step { lr, .. } => self.rates.push(*lr),
            Event::Warning { message, .. } => self.warnings.push(message.clone()),
            _ => (),
        }
    }
}

fn train(out: &Path, from: Option<PathBuf>, steps: u64, changes: &[&str]) -> (jepa_core::Result<Outcome>, Log) {
    let settings = Settings {
        preset: Some("tiny".into()),
        steps: Some(steps),
        assignments: changes.iter().map(|change| (*change).to_owned()).collect(),
        from,
        ..Settings::default()
    };
    let request = TrainRequest::new(settings, out);
    let mut log = Log::default();
    let outcome = plugin::find("v-jepa-2").unwrap().train(&request, &mut log);
    (outcome, log)
}

/// Student, moments and number of updates of a checkpoint.
fn state(checkpoint: &Path) -> (Named, Named, u64) {
    let bundle = load_latest(&Disk, checkpoint).unwrap();
    let tensors = |name: &str| decode(bundle.file(name).unwrap(), Path::new(name)).unwrap();
    (tensors("student.safetensors"), tensors("optimizer.safetensors"), bundle.state().unwrap().updates)
}

#[test]
fn a_cooldown_begins_with_the_weights_and_moments_of_its_pre_training_and_falls_along_a_line() {
    let scratch = tempfile::tempdir().unwrap();
    let [first, second, third] = ["first", "second", "third"].map(|name| scratch.path().join(name));
    train(&first, None, 3, &[]).0.unwrap();
    // Twice as many frames: rotary places fit any grid.
    let cooldown = [
        "model.view.clip.frames=8",
        "model.view.clip.rule.step=4",
        "schedule.lr_law.law=line",
        "schedule.warmup=0.0",
        "schedule.lr=1e-3",
        "schedule.lr_final=0.0",
        "schedule.stretch=1.25",
    ];
    let (outcome, log) = train(&second, Some(first.clone()), 4, &cooldown);
    assert_eq!(outcome.unwrap().step, 4);
    for (step, rate) in log.rates.iter().enumerate() {
        let expected = 1e-3 * (1.0 - (step + 1) as f64 / 5.0);
        assert!((rate - expected).abs() < 1e-12, "step {step}: {rate}, expected {expected}");
    }
    let begun = state(&second.join("checkpoints/step-000000000"));
    assert!(begun == state(&first.join("checkpoints")), "it does not begin where the first run ended");
    let ended = state(&second.join("checkpoints"));
    assert_eq!((begun.2, ended.2), (3, 7));
    assert!(begun.0 != ended.0, "nothing was trained");
    // Without its first checkpoint, as when the disk was full, it begins with the same weights again, not with any.
    std::fs::remove_dir_all(second.join("checkpoints")).unwrap();
    std::fs::create_dir(second.join("checkpoints")).unwrap();
    let resumed = TrainRequest { resume: true, ..TrainRequest::new(Settings::default(), &second) };
    plugin::find("v-jepa-2").unwrap().train(&resumed, &mut Log::default()).unwrap();
    let again = state(&second.join("checkpoints"));
    assert!(again == ended, "it did not begin where it began at first");

    // Another width is another network.
    let (outcome, _) = train(&third, Some(first), 4, &["model.predictor.width=24"]);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("predictor.predictor_embed.weight: expected"), "{error}");
    assert!(!third.exists(), "a run that cannot begin leaves nothing behind");
}
