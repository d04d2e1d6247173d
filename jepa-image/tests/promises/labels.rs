//! One frozen encoder, many tasks: any column of labels is probed, classes and numbers, beside the floors.

use std::path::Path;

use jepa_core::device::Engine;
use jepa_core::plugin::{self, Beside, ProbeKind, ProbeReport, ProbeRequest, Settings, TrainRequest};
use jepa_core::probe::{RAW, TRAINED, UNTRAINED};
use jepa_core::runlog::Silent;
use jepa_image as _;

fn train(out: &Path, data: &str) {
    let settings =
        Settings { preset: Some("tiny".into()), steps: Some(2), data: Some(data.into()), ..Settings::default() };
    let request = TrainRequest::new(settings, out);
    plugin::find("i-jepa").unwrap().train(&request, &mut Silent).unwrap();
}

fn probe(run: &Path, kind: ProbeKind, label: Option<&str>, more: &[&str]) -> jepa_core::Result<ProbeReport> {
    let sizes = ["probe.max_train=600", "probe.max_test=300", "probe.shots=[2]", "probe.shares=[0.1]", "probe.draws=2"];
    let request = ProbeRequest {
        path: run.to_owned(),
        kinds: vec![kind],
        beside: Beside::Floors,
        data: None,
        label: label.map(str::to_owned),
        assignments: sizes.iter().chain(more).map(|s| (*s).to_owned()).collect(),
        engine: Engine::cpu(),
    };
    Ok(plugin::find("i-jepa").unwrap().probe(&request)?.remove(0))
}

#[test]
fn every_factor_of_the_factor_data_is_read_out_of_one_encoder_beside_its_floors() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "builtin-factors");
    let all = probe(folder.path(), ProbeKind::Linear, Some("all"), &[]).unwrap();
    assert!(all.data.contains("synthetic") && (all.train, all.test) == (600, 300), "{}", all.data);
    let lines: Vec<_> = all.rows.iter().map(|row| (row.label.as_deref().unwrap(), &row.features[..])).collect();
    assert_eq!(lines, [TRAINED, UNTRAINED, RAW].map(|features| ("shape", features)));
    let lines: Vec<_> = all.numbers.iter().map(|line| (&line.label[..], &line.features[..])).collect();
    let expected = ["scale", "rotation", "x", "y"].map(|label| [TRAINED, UNTRAINED, RAW].map(|of| (label, of)));
    assert_eq!(lines, expected.concat());
    for line in all.numbers.iter().filter(|line| line.label == "x" && line.features == RAW) {
        // Where a shape is can be read off its pixels, but for sizes and shapes that weigh differently.
        assert!(line.r2 > 0.5 && line.rmse < 7.0 && line.unit.contains("pixels"), "{line:?}");
    }
    assert!(all.numbers.iter().all(|line| line.r2 <= 1.0 && line.rmse > 0.0), "{:?}", all.numbers);

    // A column by itself is what it is among all, and the class what it is without a name.
    let x = probe(folder.path(), ProbeKind::Linear, Some("x"), &[]).unwrap();
    assert_eq!((x.rows.len(), &x.numbers[..]), (0, &all.numbers[6..9]), "three lines a column, x is the third");
    let class = probe(folder.path(), ProbeKind::Linear, None, &[]).unwrap();
    assert!(class.numbers.is_empty() && class.rows.iter().all(|row| row.label.is_none()));
    for (named, plain) in all.rows.iter().zip(&class.rows) {
        assert_eq!(named.accuracy, plain.accuracy);
    }
    let neighbours = probe(folder.path(), ProbeKind::Knn, Some("x"), &[]).unwrap();
    assert_ne!(neighbours.numbers, x.numbers);
    assert!(neighbours.numbers[2].r2 > 0.0, "{:?}", neighbours.numbers);
}

#[test]
fn few_labels_of_a_column_of_classes_and_what_numbers_cannot_be_asked() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path(), "builtin-textured");
    let few = probe(folder.path(), ProbeKind::LowShot, Some("texture"), &[]).unwrap();
    let lines: Vec<_> = few.rows.iter().map(|row| (row.label.as_deref(), row.shots, row.share)).collect();
    let of_one = [(Some("texture"), Some(2), None), (Some("texture"), None, Some(0.1))];
    assert_eq!(lines, of_one.repeat(3));
    assert!(few.rows.iter().all(|row| row.deviation.is_some()), "{few:?}");
    // Asked for all, the two columns of classes are there and numbers are left out.
    let all = probe(folder.path(), ProbeKind::LowShot, Some("all"), &[]).unwrap();
    assert_eq!((all.rows.len(), all.numbers.len()), (2 * 2 * 3, 0));
    assert_eq!(all.rows[6..], few.rows[..]);
    assert_ne!(all.rows[0].accuracy, all.rows[6].accuracy, "clothes are not textures");

    // A probe of tokens reads the column too: textures can be told in an untrained encoder; a sixth is chance.
    let quick = ["probe.attentive.epochs=20", "probe.attentive.lr=[3e-3]", "probe.attentive.decay=[0.01]"];
    let tokens = probe(folder.path(), ProbeKind::Attentive, Some("texture"), &quick).unwrap();
    assert_eq!(tokens.rows.len(), 2);
    assert!(tokens.rows.iter().all(|row| row.label.as_deref() == Some("texture") && row.accuracy > 21.0), "{tokens:?}");

    for (kind, label, words) in [
        (ProbeKind::LowShot, "x", ["numbers", "--kind linear"]),
        (ProbeKind::Parts, "texture", ["part probe", "column"]),
        (ProbeKind::Linear, "txture", ["texture", "wavelength"]),
    ] {
        let error = probe(folder.path(), kind, Some(label), &[]).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
