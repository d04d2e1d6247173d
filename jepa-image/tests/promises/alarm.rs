//! The collapse alarm in real runs: a tool off, its alarm; everything on, none.

use std::path::Path;

use jepa_core::Error;
use jepa_core::collapse::CollapseKind;
use jepa_core::device::Engine;
use jepa_core::plugin::{self, EvaluateRequest, Settings, TrainRequest};
use jepa_core::runlog::{Event, Silent, read_events};
use jepa_image as _;

fn train(out: &Path, steps: u64, assignments: &[&str]) -> Result<(), Error> {
    let assignments = assignments.iter().map(|a| (*a).to_owned()).collect();
    let settings = Settings { preset: Some("tiny".into()), assignments, steps: Some(steps), ..Default::default() };
    let request = TrainRequest::new(settings, out);
    plugin::find("i-jepa").unwrap().train(&request, &mut Silent).map(|_| ())
}

#[test]
fn a_run_without_stopped_gradient_stops_with_cause_and_remedy_and_a_healthy_one_goes_through() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken");
    let stop = "guard.on_collapse=\"stop\"";
    let error = train(&broken, 400, &["target=\"shared\"", "run.diagnose_every=10", stop]).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Collapsed { .. }), "{text}");
    assert!(text.contains("carry a gradient") && text.contains("target = \"ema\""), "{text}");
    let alarms: Vec<_> = read_events(&broken)
        .unwrap()
        .into_iter()
        .filter_map(|event| if let Event::Alarm { step, alarm } = event { Some((step, alarm)) } else { None })
        .collect();
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert_eq!(alarms[0].1.collapse, CollapseKind::Point);

    let healthy = folder.path().join("healthy");
    train(&healthy, 100, &["run.diagnose_every=10", stop]).unwrap();
    let events = read_events(&healthy).unwrap();
    assert!(!events.iter().any(|event| matches!(event, Event::Alarm { .. })));
    assert!(events.iter().any(|event| matches!(event, Event::Collapse { .. })));

    for (run, sound) in [(healthy, true), (broken, false)] {
        let request = EvaluateRequest {
            beside: Vec::new(),
            path: run,
            name: "collapse".into(),
            data: None,
            engine: Engine::cpu(),
        };
        let found = plugin::find("i-jepa").unwrap().evaluate(&request).unwrap();
        assert_eq!(found.text.contains("no sign of a collapse"), sound, "{}", found.text);
        assert_eq!(found.figures["alarm"].is_null(), sound);
        let rows = found.figures["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 3);
        for row in rows {
            assert_eq!(row["deviations"].as_array().unwrap().len() as u64, row["width"].as_u64().unwrap());
            assert!(row["rank_me"].as_f64().unwrap() >= 1.0);
        }
        assert!(rows[1]["lidar"].as_f64().unwrap() >= 1.0);
    }
}
