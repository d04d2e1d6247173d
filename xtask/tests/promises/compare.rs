//! A comparison of variants: what it writes, and that a killed one goes on where it was.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VARIANTS: [&str; 3] = ["i-jepa", "mae", "vicreg"];

/// Two tiny variants of masks and one of views, two seeds, on one core.
fn compare(out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("compare")
        .args(VARIANTS)
        .args(["--preset", "tiny", "--seeds", "2", "--points", "2", "--device", "cpu"]);
    command.args(["--budget", "12", "--probes", "knn,low-shot", "--shots", "3"]);
    for set in ["run.replicas=1", "data.threads=1", "probe.max_train=300", "probe.max_test=200", "probe.draws=2"] {
        command.args(["--set", set]);
    }
    command.arg("--out").arg(out).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(out: &Path) -> String {
    let output = compare(out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The table of all accuracies without the column of seconds.
fn accuracies(out: &Path) -> Vec<String> {
    let csv = std::fs::read_to_string(out.join("table.csv")).unwrap();
    let without = |line: &str| {
        let columns: Vec<&str> = line.split(',').collect();
        [&columns[..6], &columns[7..]].concat().join(",")
    };
    csv.lines().map(without).collect()
}

#[test]
fn a_killed_comparison_goes_on_to_the_same_accuracies_and_a_finished_one_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));

    let table = finish(&whole);
    for variant in VARIANTS {
        assert_eq!(table.lines().filter(|line| line.starts_with(&format!("| `{variant}/tiny` | 12 |"))).count(), 1);
    }
    assert!(table.contains("3 labels a class") && table.contains("| raw values |"), "{table}");
    assert_eq!(std::fs::read_to_string(whole.join("table.md")).unwrap(), table);
    // 3 variants, 2 seeds, of 2 probes: untrained once, trained at 2 points; raw values once for all.
    assert_eq!(accuracies(&whole).len(), 1 + 3 * 2 * 2 * 3 + 2);
    for picture in ["flops", "time"] {
        let svg = std::fs::read_to_string(whole.join(picture).with_extension("svg")).unwrap();
        assert!(VARIANTS.iter().all(|variant| svg.contains(&format!("{variant}/tiny"))), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 3);
        let png = image::open(whole.join(picture).with_extension("png")).unwrap().to_rgb8();
        assert!(png.pixels().any(|pixel| pixel.0 == [0, 114, 178]), "the first line is drawn");
    }
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(whole.join("comparison.json")).unwrap()).unwrap();
    assert_eq!(json["runs"].as_array().unwrap().len(), 6);

    // Killed as soon as the second run computes.
    let mut child = compare(&killed).spawn().unwrap();
    let log = killed.join("runs/mae-tiny-0/events.jsonl");
    let clock = Instant::now();
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.contains(r#""kind":"step""#)) {
        assert!(clock.elapsed() < Duration::from_secs(60), "the second run never began");
        assert!(child.try_wait().unwrap().is_none(), "the comparison ended too early");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!killed.join("table.md").exists());
    let before = std::fs::read(killed.join("runs/i-jepa-tiny-0/events.jsonl")).unwrap();
    finish(&killed);
    assert_eq!(std::fs::read(killed.join("runs/i-jepa-tiny-0/events.jsonl")).unwrap(), before, "trained again");
    assert_eq!(accuracies(&killed), accuracies(&whole));

    // A finished one only writes its tables again.
    let times: Vec<_> = ["plan.json", "runs/vicreg-tiny-1/events.jsonl", "probes/mae-tiny-1/12.json"]
        .map(|name| std::fs::metadata(whole.join(name)).unwrap().modified().unwrap())
        .into();
    assert_eq!(finish(&whole), table);
    let again: Vec<_> = ["plan.json", "runs/vicreg-tiny-1/events.jsonl", "probes/mae-tiny-1/12.json"]
        .map(|name| std::fs::metadata(whole.join(name)).unwrap().modified().unwrap())
        .into();
    assert_eq!(again, times);

    // Another question to the same folder is refused.
    let other = compare(&whole).args(["--equal", "flops"]).output().unwrap();
    assert!(!other.status.success());
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(error.contains("another --out"), "{error}");
}

#[test]
fn runs_at_once_and_one_after_another_give_the_same_accuracies() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    for (out, jobs) in [(&one, "1"), (&two, "3")] {
        let output = compare(out).args(["--jobs", jobs]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(accuracies(&one), accuracies(&two));
}

#[test]
fn settings_of_one_variant_are_compared_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("settings");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args([
        "compare",
        "blocks=i-jepa",
        "random=i-jepa:model.masks={kind=\"random\",ratio=[0.4,0.6]}",
        "pixels=i-jepa:model.targets=pixels",
        "i-jepa:model.masks.targets=1",
    ]);
    command.args(["--preset", "tiny", "--seeds", "1", "--points", "1", "--device", "cpu", "--budget", "4"]);
    for set in ["run.replicas=1", "data.threads=1", "probe.max_train=200", "probe.max_test=100"] {
        command.args(["--set", set]);
    }
    let output = command.args(["--probes", "knn", "--out"]).arg(&out).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    for name in ["blocks", "random", "pixels", "i-jepa/tiny:model.masks.targets=1"] {
        assert_eq!(table.lines().filter(|line| line.starts_with(&format!("| `{name}` | 4 |"))).count(), 1, "{table}");
    }
    let config = |run: &str| std::fs::read_to_string(out.join("runs").join(run).join("config.toml")).unwrap();
    assert!(config("random-0").contains("kind = \"random\"") && config("pixels-0").contains("targets = \"pixels\""));
    assert!(config("i-jepa-tiny-model.masks.targets-1-0").contains("targets = 1\n"));
    assert!(config("blocks-0").contains("targets = 2\n"), "the tiny preset's own");
}
