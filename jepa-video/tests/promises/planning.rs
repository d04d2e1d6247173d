//! `probe --kind planning` on runs of the smallest presets: every figure and picture is there.

use std::path::Path;

use jepa_core::device::Engine;
use jepa_core::plugin::{self, EvaluateRequest, Evaluated, Settings, TrainRequest};
use jepa_core::runlog::Silent;
use jepa_video as _;

fn run(variant: &str, out: &Path, data: Option<&str>) -> jepa_core::Result<Evaluated> {
    let plugin = plugin::find(variant).unwrap();
    let settings = Settings { preset: Some("tiny".into()), steps: Some(4), ..Settings::default() };
    let request = TrainRequest::new(settings, out);
    if !out.exists() {
        plugin.train(&request, &mut Silent).unwrap();
    }
    let (path, data) = (out.to_owned(), data.map(str::to_owned));
    plugin.evaluate(&EvaluateRequest { path, name: "planning".into(), beside: Vec::new(), data, engine: Engine::cpu() })
}

#[test]
fn the_world_model_is_measured_beside_truth_chance_and_an_untrained_one() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("run");
    let found = run("pldm", &out, None).unwrap();
    let rows = found.figures["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["trained", "untrained", "true states", "random actions"]);
    for row in rows {
        let (success, low, high) = (&row["success"], &row["interval"][0], &row["interval"][1]);
        assert!(low.as_f64() <= success.as_f64() && success.as_f64() <= high.as_f64(), "{row}");
        assert_eq!(row["episodes"].as_array().unwrap().len(), 2);
    }
    assert_eq!(found.figures["position"][0]["imagined"].as_array().unwrap().len(), 3);
    assert_eq!(
        found.files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["episode-0.png", "episode-1.png"]
    );
    assert!(found.text.contains("success %") && found.text.contains("true states"));
    // The same run gives the same figures, but for times; another world gives others.
    let strip = |mut figures: serde_json::Value| {
        let rows = figures["rows"].as_array_mut().unwrap();
        rows.iter_mut().for_each(|row| row["seconds"] = 0.into());
        figures
    };
    let plain = strip(found.figures);
    assert_eq!(strip(run("pldm", &out, Some("builtin-fixed-wall")).unwrap().figures), plain);
    assert_ne!(strip(run("pldm", &out, Some("builtin")).unwrap().figures), plain);
    assert!(run("pldm", &out, Some("cats")).unwrap_err().to_string().contains("builtin-fixed-wall"));
}

#[test]
fn planners_on_all_levels_are_measured_beside_flat_ones_truth_chance_and_untrained_ones() {
    let scratch = tempfile::tempdir().unwrap();
    let found = run("h-jepa", &scratch.path().join("run"), None).unwrap();
    let names = |key: &str| -> Vec<String> {
        let rows = found.figures[key].as_array().unwrap();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    let players = ["trained", "trained, flat", "untrained", "untrained, flat", "true states", "random actions"];
    assert_eq!(names("rows"), players);
    let levels = ["trained, level 1", "trained, level 2", "untrained, level 1", "untrained, level 2"];
    assert_eq!(names("position"), levels);
    // Three steps of level 1, two of level 2.
    let imagined = |at: usize| found.figures["position"][at]["imagined"].as_array().unwrap().len();
    assert_eq!([imagined(0), imagined(1)], [3, 2]);
    let ends = |row: usize| found.figures["rows"][row]["episodes"].clone();
    assert_ne!(ends(0), ends(1), "both planners end at the same places: the levels are not asked");
    assert_eq!(found.figures["planning"]["levels"].as_array().unwrap().len(), 2);
    assert_eq!(found.files.len(), 2);
}

#[test]
fn planned_actions_on_frames_are_measured_beside_others_and_landscapes_are_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let found = run("v-jepa-2-ac", &scratch.path().join("run"), None).unwrap();
    let rows = found.figures["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["trained", "untrained", "another's actions", "no action"]);
    assert!(rows.iter().all(|row| row["left"].as_f64().is_some_and(|left| left > 0.0 && left < 10.0)), "{rows:?}");
    assert!(rows[0]["minimum"].as_f64().is_some() && rows[3].get("minimum").is_none());
    assert_eq!(found.files.len(), 3);
}
