//! The probes that look at more than one vector a cloud, through the registry, on a few steps of training.

use std::path::Path;

use jepa_core::device::Engine;
use jepa_core::plugin::{self, Beside, Plugin, ProbeKind, ProbeReport, ProbeRequest, Settings, TrainRequest};
use jepa_core::runlog::Silent;
use jepa_point as _;

fn plugin() -> &'static Plugin {
    plugin::find("point-jepa").unwrap()
}

fn train(out: &Path) {
    let assignments = [
        "probe.max_train=400",
        "probe.max_test=200",
        "probe.svm.views=2",
        "probe.svm.c=1.0",
        "probe.svm.standardise=true",
        "probe.few_shot.ways=[2, 5]",
        "probe.few_shot.shots=[5]",
        "probe.few_shot.draws=5",
    ];
    let request = TrainRequest::new(
        Settings {
            preset: Some("tiny".into()),
            assignments: assignments.map(str::to_owned).to_vec(),
            steps: Some(4),
            ..Default::default()
        },
        out,
    );
    plugin().train(&request, &mut Silent).unwrap();
}

fn probe(out: &Path, kind: ProbeKind, data: Option<&str>) -> jepa_core::Result<ProbeReport> {
    let data = data.map(str::to_owned);
    let mut reports = plugin().probe(&ProbeRequest {
        assignments: Vec::new(),
        label: None,
        path: out.to_owned(),
        kinds: vec![kind],
        beside: Beside::Floors,
        data,
        engine: Engine::cpu(),
    })?;
    Ok(reports.remove(0))
}

#[test]
fn support_vectors_few_shots_and_parts_give_a_line_for_every_floor() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train(&out);

    let svm = probe(&out, ProbeKind::Svm, None).unwrap();
    let named = |report: &ProbeReport| report.rows.iter().map(|row| row.features.clone()).collect::<Vec<_>>();
    assert_eq!(named(&svm), ["trained encoder", "untrained encoder", "raw input"]);
    // The starts of the samplings differ between views, so that the figures do; raw values have no views.
    assert!(svm.rows[0].deviation.is_some() && svm.rows[2].deviation.is_none(), "{svm:?}");
    // Twenty classes: what guesses reaches 5 %.
    assert!(svm.rows.iter().all(|row| (0.0..=100.0).contains(&row.accuracy)) && svm.rows[2].accuracy > 10.0, "{svm:?}");

    let few = probe(&out, ProbeKind::FewShot, None).unwrap();
    let tasks: Vec<_> = few.rows.iter().map(|row| (row.ways, row.shots)).collect();
    assert_eq!(tasks, [(Some(2), Some(5)), (Some(5), Some(5))].repeat(3));
    assert!(few.rows.iter().all(|row| row.deviation.is_some()), "{few:?}");
    // Two classes are told apart more often than five, by about as much as by guessing.
    assert!(few.rows.chunks(2).all(|pair| pair[0].accuracy > pair[1].accuracy + 10.0), "{few:?}");

    let parts = probe(&out, ProbeKind::Parts, None).unwrap();
    assert_eq!(named(&parts), named(&svm));
    // Six of the twenty classes have two parts or three, and only their clouds count.
    assert!(parts.train == 400 && (30..90).contains(&parts.test), "{parts:?}");
    assert!(parts.rows.iter().all(|row| row.accuracy > 15.0 && row.category_iou.is_some()), "{parts:?}");
}

#[test]
fn a_part_probe_on_clouds_without_parts_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    train(&out);
    for part in ["train", "test"] {
        for class in ["a", "b"] {
            let clouds = folder.path().join("clouds").join(part).join(class);
            std::fs::create_dir_all(&clouds).unwrap();
            let points: String = (0..200).map(|i| format!("{} {} {}\n", i, (i * i) % 17, i % 5)).collect();
            std::fs::write(clouds.join("1.xyz"), points).unwrap();
        }
    }
    let clouds = folder.path().join("clouds").display().to_string();
    let error = probe(&out, ProbeKind::Parts, Some(&clouds)).unwrap_err().to_string();
    assert!(error.contains("part labels"), "{error}");
}
