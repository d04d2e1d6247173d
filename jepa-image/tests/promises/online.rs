//! The probe beside a run: it sees what is learned, and changes not a bit of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jepa_core::checkpoint::{Disk, load_latest};
use jepa_core::plugin::{self, Settings, TrainRequest};
use jepa_core::runlog::{Event, Observer, RunState, read_events};
use jepa_image as _;

/// Asks for an end after a step.
struct StopAfter(u64, Arc<AtomicBool>);

impl Observer for StopAfter {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Step { step, .. } if *step == self.0) {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

fn train(variant: &str, out: &Path, assignments: &[&str], stop_after: u64, resume: bool) -> RunState {
    let settings = if resume {
        Settings::default()
    } else {
        Settings {
            preset: Some("tiny".into()),
            assignments: assignments.iter().map(|a| (*a).to_owned()).collect(),
            replicas: Some(2),
            steps: Some(40),
            ..Settings::default()
        }
    };
    let stop = Arc::new(AtomicBool::new(false));
    let request = TrainRequest { resume, stop: stop.clone(), ..TrainRequest::new(settings, out) };
    plugin::find(variant).unwrap().train(&request, &mut StopAfter(stop_after, stop)).unwrap().state
}

/// Files of the last checkpoint but the configuration.
fn files(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = load_latest(&Disk, &run.join("checkpoints")).unwrap().files;
    files.remove("config.toml");
    files
}

/// What it said: step and accuracy; a step that was computed again counts once.
fn said(run: &Path) -> BTreeMap<u64, f64> {
    let said = |event| match event {
        Event::Online { step, accuracy, samples, .. } => {
            assert!(samples > 0);
            Some((step, accuracy))
        }
        _ => None,
    };
    read_events(run).unwrap().into_iter().filter_map(said).collect()
}

const ONLINE: [&str; 3] = ["probe.online.every=1", "probe.online.report=10", "probe.online.lr=0.01"];

#[test]
fn it_changes_not_a_bit_of_the_run_and_learns() {
    let folder = tempfile::tempdir().unwrap();
    for (variant, batch_norm) in [("i-jepa", false), ("vicreg", true)] {
        let (plain, probed) = (folder.path().join(variant), folder.path().join(format!("{variant}-probed")));
        assert_eq!(train(variant, &plain, &[], 0, false), RunState::Finished);
        assert_eq!(train(variant, &probed, &ONLINE, 0, false), RunState::Finished);
        let (without, mut with) = (files(&plain), files(&probed));
        assert!(with.remove("online.safetensors").is_some() && !without.contains_key("online.safetensors"));
        assert_eq!(with, without, "{variant}");
        let losses = |run: &Path| -> Vec<f64> {
            let loss = |event| if let Event::Step { loss, .. } = event { Some(loss) } else { None };
            read_events(run).unwrap().into_iter().filter_map(loss).collect()
        };
        assert_eq!(losses(&plain), losses(&probed));
        let (silent, said) = (said(&plain), said(&probed));
        assert!(silent.is_empty());
        assert_eq!(said.keys().copied().collect::<Vec<_>>(), [10, 20, 30, 40]);
        // Ten classes: what guesses reaches 10 %.
        assert!(said[&40] > 20.0, "{variant}, {batch_norm}: {said:?}");
    }
}

#[test]
fn stopped_and_resumed_it_says_what_it_would_have_said() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, halves) = (folder.path().join("whole"), folder.path().join("halves"));
    assert_eq!(train("i-jepa", &whole, &ONLINE, 0, false), RunState::Finished);
    assert_eq!(train("i-jepa", &halves, &ONLINE, 17, false), RunState::Interrupted);
    assert_eq!(train("i-jepa", &halves, &[], 0, true), RunState::Finished);
    assert_eq!((files(&halves), said(&halves)), (files(&whole), said(&whole)));
}

#[test]
fn a_configuration_that_makes_no_sense_and_data_without_classes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for i in 0..20u8 {
        let noise = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x as u8).wrapping_mul(i) ^ y as u8]));
        noise.save(pictures.join(format!("{i}.png"))).unwrap();
    }
    let source = format!("data.source=\"{}\"", pictures.display());
    let out = folder.path().join("run");
    train("i-jepa", &out, &[ONLINE[0], ONLINE[1], &source], 0, false);
    let warned = |event: &Event| matches!(event, Event::Warning { message, .. } if message.contains("has no classes"));
    assert!(read_events(&out).unwrap().iter().any(warned) && said(&out).is_empty());

    let settings = Settings {
        preset: Some("tiny".into()),
        assignments: vec!["probe.online.report=0".into()],
        ..Settings::default()
    };
    let error = plugin::find("i-jepa").unwrap().check(&settings).err().unwrap().to_string();
    assert!(error.contains("probe.online"), "{error}");
}
