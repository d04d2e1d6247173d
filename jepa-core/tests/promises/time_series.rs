//! The example `time_series`, held to the promises every variant is held to.

#[path = "../../examples/time_series/data.rs"]
mod data;
#[path = "../../examples/time_series/variant.rs"]
mod variant;

use std::path::Path;

use jepa_core::data::{DataSpec, Split};
use jepa_core::device::Engine;
use jepa_core::plugin::{self, Beside, Plugin, ProbeKind, ProbeRequest, Settings, TrainRequest};
use jepa_core::runlog::{RunState, Silent};
use jepa_core::train::Outcome;

fn plugin() -> &'static Plugin {
    plugin::find("series-jepa").unwrap()
}

fn run_tiny(out: &Path, assignments: &[&str]) -> jepa_core::Result<Outcome> {
    let request = TrainRequest {
        probes: true,
        ..TrainRequest::new(
            Settings {
                preset: Some("tiny".into()),
                assignments: assignments.iter().map(|a| (*a).to_owned()).collect(),
                ..Default::default()
            },
            out,
        )
    };
    plugin().train(&request, &mut Silent)
}

#[test]
fn it_keeps_every_promise_in_less_than_150_lines() {
    let kept = plugin().conformance().unwrap();
    assert_eq!(kept.len(), 10, "{kept:?}");
    let lines = include_str!("../../examples/time_series/variant.rs").lines().count();
    assert!(lines < 150, "variant.rs has {lines} lines");
}

#[test]
fn it_trains_and_probes_through_the_registry() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let outcome = run_tiny(&out, &["probe.max_train=400", "probe.max_test=200"]).unwrap();
    assert_eq!((outcome.step, outcome.state), (60, RunState::Finished));
    let table = outcome.probes.unwrap();
    assert_eq!((table.classes, table.train, table.test, table.rows.len()), (4, 400, 200, 3));
    // Four classes: what guesses reaches 25 %.
    assert!(table.rows.iter().take(2).all(|row| row.knn > 35.0 && row.linear > 35.0), "{table}");

    let request = |kind, assignments: &[&str]| ProbeRequest {
        path: out.clone(),
        kinds: vec![kind],
        beside: Beside::Floors,
        data: None,
        label: None,
        assignments: assignments.iter().map(|a| (*a).to_owned()).collect(),
        engine: Engine::cpu(),
    };
    let probe =
        |kind, assignments: &[&str]| Ok::<_, jepa_core::Error>(plugin().probe(&request(kind, assignments))?.remove(0));
    let report = probe(ProbeKind::Linear, &[]).unwrap();
    assert!(report.data.contains("synthetic"), "{}", report.data);
    assert!((report.rows[0].accuracy - table.rows[0].linear).abs() < 1e-6, "{report:?}");

    // Several at once are what each is by itself; what stands beside the trained encoder can be left out.
    let kinds = vec![ProbeKind::Knn, ProbeKind::Linear];
    let both = ProbeRequest { kinds, beside: Beside::Nothing, ..request(ProbeKind::Knn, &[]) };
    let both = plugin().probe(&both).unwrap();
    assert_eq!((both[0].kind, &both[1].rows[..]), (ProbeKind::Knn, &report.rows[..1]));
    let untrained = ProbeRequest { beside: Beside::Untrained, ..request(ProbeKind::Linear, &[]) };
    assert_eq!(plugin().probe(&untrained).unwrap()[0].rows, report.rows[..2]);

    let four = probe(ProbeKind::FourWay, &[]).unwrap().rows;
    let ways: Vec<_> = four.iter().map(|row| row.way.as_deref().unwrap()).collect();
    let expected = ["last block, standardised", "last block", "last 2 blocks, standardised", "last 2 blocks"];
    assert_eq!(ways[..5], [&expected[..], &["best on held-out labels"]].concat());
    assert_eq!((four.len(), four[0].accuracy), (10, report.rows[0].accuracy));
    assert!(four[..4].iter().any(|row| row.accuracy == four[4].accuracy), "{four:?}");
    let both = probe(ProbeKind::Linear, &["probe.layers=2"]).unwrap();
    assert_eq!((both.rows[0].accuracy, both.rows.len()), (four[2].accuracy, 3));
    let refused = probe(ProbeKind::Linear, &["probe.layers=9"]).unwrap_err().to_string();
    assert!(refused.contains("the encoder has 2"), "{refused}");

    // The student is another network than the target.
    let student = probe(ProbeKind::Linear, &["probe.network=student"]).unwrap();
    assert_ne!(student.rows[0].accuracy, report.rows[0].accuracy);
    assert_eq!(student.rows[1..], report.rows[1..]);

    let few = ["probe.shots=[1]", "probe.shares=[0.1]", "probe.draws=2"];
    let report = probe(ProbeKind::LowShot, &few).unwrap();
    let labels: Vec<_> = report.rows.iter().map(|row| (row.shots, row.share)).collect();
    assert_eq!(labels, [(Some(1), None), (None, Some(0.1))].repeat(3));
    assert!(report.rows.iter().all(|row| row.deviation.is_some()), "{report:?}");

    let tune = ["epochs=2", "least_steps=200", "lr=3e-3", "draws=2", "max_train=400", "shares=[0.1, 1.0]"];
    let tune: Vec<String> = tune.iter().map(|setting| format!("probe.fine_tune.{setting}")).collect();
    let tune: Vec<&str> = tune.iter().map(String::as_str).collect();
    let report = probe(ProbeKind::FineTune, &tune).unwrap();
    let lines: Vec<_> = report.rows.iter().map(|row| (row.share, row.deviation.is_some())).collect();
    assert_eq!(lines, [(Some(0.1), true), (Some(1.0), false)].repeat(2));
    // Four classes; two hundred steps on all weights beat guessing.
    assert!(report.rows[1].accuracy > 35.0, "{report:?}");
    assert_eq!(probe(ProbeKind::FineTune, &tune).unwrap(), report, "a function of its settings");

    let refused = probe(ProbeKind::Linear, &["run.steps=3"]).unwrap_err().to_string();
    assert!(refused.contains("below `probe`"), "{refused}");
}

#[test]
fn what_was_learnt_on_one_source_is_probed_on_another() {
    let folder = tempfile::tempdir().unwrap();
    for (class, period) in [("fast", 3.0f32), ("slow", 17.0)] {
        let rows = (0..3000).map(|t| format!("{},{}\n", (t as f32 / period).sin(), (t as f32 / period).cos()));
        let path = folder.path().join("recorded").join(class);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("a.csv"), rows.collect::<String>()).unwrap();
    }
    let out = folder.path().join("run");
    run_tiny(&out, &["probe.max_train=40", "probe.max_test=40"]).unwrap();
    let recorded = format!("csv:{}", folder.path().join("recorded").display());
    let request = ProbeRequest {
        path: out,
        kinds: vec![ProbeKind::Linear],
        beside: Beside::Floors,
        data: Some(recorded),
        label: None,
        assignments: Vec::new(),
        engine: Engine::cpu(),
    };
    let report = plugin().probe(&request).unwrap().remove(0);
    assert_eq!(report.trained_on, "builtin");
    assert!(report.data.starts_with("CSV") && report.rows[0].accuracy > 90.0, "{report:?}");
}

#[test]
fn the_parts_of_the_synthetic_data_share_nothing_and_are_balanced() {
    let open = |split| data::open(&DataSpec::parse("builtin", data::FORMATS), split, 2, 64).unwrap();
    let (train, test) = (open(Split::Train), open(Split::Test));
    assert!(train.describe().contains("synthetic"));
    assert_eq!(train.read(7).unwrap(), train.read(7).unwrap());
    let tests: Vec<_> = (0..test.len()).map(|i| test.read(i).unwrap().values).collect();
    assert!((0..train.len()).all(|i| !tests.contains(&train.read(i).unwrap().values)));
    let mut counts = [0; 4];
    (0..train.len()).for_each(|i| counts[train.label(i).unwrap() as usize] += 1);
    assert_eq!(counts, [train.len() / 4; 4]);
}

#[test]
fn csv_files_are_read_and_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let rows = |period: f32| (0..200).map(|t| format!("{},{t}\n", (t as f32 / period).sin())).collect::<String>();
    write("good/slow/a.csv", &format!("value,time\n{}", rows(9.0)));
    write("good/fast/b.csv", &rows(2.0));
    let spec = |name: &str| DataSpec::parse(&format!("csv:{}", folder.path().join(name).display()), data::FORMATS);
    let train = data::open(&spec("good"), Split::Train, 2, 20).unwrap();
    let test = data::open(&spec("good"), Split::Test, 2, 20).unwrap();
    assert_eq!((train.len(), test.len(), train.classes()), (16, 4, &["fast".to_owned(), "slow".to_owned()][..]));
    assert_eq!((train.label(0), train.label(15)), (Some(0), Some(1)));
    let window = train.read(9).unwrap();
    assert_eq!(window.values[20..23], [20.0, 21.0, 22.0]);
    assert!(train.read(16).is_err() && train.name(9).contains("a.csv"));

    write("words/a.csv", "1,2\n3,four\n");
    write("narrow/a.csv", &"1\n".repeat(100));
    write("short/a.csv", "1,2\n3,4\n");
    for (name, expected) in
        [("words", "line 2"), ("narrow", "1 columns, 2 are wanted"), ("short", "20 rows"), ("none", "none")]
    {
        let error = data::open(&spec(name), Split::Train, 2, 20).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let good = format!("data.source=csv:{}", folder.path().join("good").display());
    let outcome =
        run_tiny(&folder.path().join("run"), &[&good, "model.length=16", "model.masks.min_keep=0", "model.patch=2"]);
    assert_eq!(outcome.unwrap().probes.unwrap().classes, 2);
}
