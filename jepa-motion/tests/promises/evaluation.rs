//! `probe --kind flow` on a run, from a folder of pairs with flow files.

use std::fs;

use jepa_core::data::{DataSpec, Split};
use jepa_core::device::Engine;
use jepa_core::plugin::{self, EvaluateRequest, Settings, TrainRequest};
use jepa_core::runlog::{Event, Observer};
use jepa_motion::data::formats::{flo, ppm};
use jepa_motion::data::{FORMATS, open};

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

#[test]
fn a_run_is_measured_beside_untrained_networks_and_no_motion_and_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let scenes = open(&DataSpec::parse("builtin", FORMATS), Split::Test).unwrap();
    let pairs = scratch.path().join("pairs");
    fs::create_dir(&pairs).unwrap();
    let elsewhere = scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (folder, indices) in [(&pairs, 0..20), (&elsewhere, 20..32)] {
        for index in indices {
            let pair = scenes.read(index).unwrap();
            fs::write(folder.join(format!("{index:02}_1.ppm")), ppm::encode(pair.first())).unwrap();
            fs::write(folder.join(format!("{index:02}_2.ppm")), ppm::encode(pair.second())).unwrap();
            let flow = &pair.truth().unwrap().flow;
            fs::write(folder.join(format!("{index:02}_flow.flo")), flo::encode(flow)).unwrap();
        }
    }
    let plugin = plugin::find("mc-jepa").unwrap();
    let out = scratch.path().join("run");
    let settings = Settings {
        preset: Some("tiny".into()),
        data: Some(format!("pairs:{}", pairs.display())),
        steps: Some(2),
        assignments: vec!["run.diagnose_every=2".into()],
        ..Settings::default()
    };
    let request = TrainRequest::new(settings, &out);
    plugin.train(&request, &mut Silent).unwrap();
    let evaluate = |name: &str, data: Option<String>, beside| {
        let engine = Engine::cpu();
        plugin.evaluate(&EvaluateRequest { path: out.clone(), name: name.into(), beside, data, engine })
    };
    let found = evaluate("flow", None, vec![out.clone()]).unwrap();
    let rows = found.figures["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["trained", "untrained", "run", "no motion", "mean true motion"]);
    let epe = |row: usize| rows[row]["all"]["epe"].as_f64().unwrap();
    assert_eq!(found.figures["pairs"], 2);
    assert_eq!((epe(0), rows[0]["visible"].is_null()), (epe(2), true));
    assert!(epe(0) > 0.0 && epe(0) != epe(1) && epe(3) > epe(4), "{}", found.text);
    assert_eq!(found.files.len(), 2);
    assert!(found.files.iter().all(|(name, bytes)| name.ends_with(".png") && bytes.starts_with(b"\x89PNG")));

    // The same pairs under another name are still those the run was trained on; of others none is held out.
    let again = evaluate("flow", Some(pairs.display().to_string()), Vec::new()).unwrap();
    assert_eq!(again.figures["rows"][0], rows[0]);
    let others = evaluate("flow", Some(elsewhere.display().to_string()), Vec::new()).unwrap();
    assert_eq!(others.figures["pairs"], 12);
    assert_eq!(others.figures["total"], 12);
    assert!(others.text.starts_with("flow: 12 pairs of both parts, 12 pairs in all"), "{}", others.text);

    // Frames without a flow cannot be measured on, and it is said.
    let bare = scratch.path().join("bare");
    fs::create_dir(&bare).unwrap();
    for index in 0..12 {
        fs::write(bare.join(format!("{index:02}.ppm")), ppm::encode(scenes.read(index).unwrap().first())).unwrap();
    }
    let error = evaluate("flow", Some(format!("frames:{}", bare.display())), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("no pair of it has a true flow"), "{error}");
}
