//! Seconds of training in the log of a run: the time of steps alone, without figures, checkpoints and pauses.

use std::collections::BTreeMap;
use std::path::Path;

use jepa_core::{Error, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    step: Option<u64>,
    time: f64,
}

/// Seconds that each step took, by its number. A step that was computed twice, because a run was killed after it and
/// before its checkpoint, counts once.
pub(crate) fn step_seconds(run: &Path) -> Result<BTreeMap<u64, f64>> {
    let path = run.join("events.jsonl");
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    Ok(of(&text))
}

fn of(text: &str) -> BTreeMap<u64, f64> {
    let mut seconds = BTreeMap::new();
    let mut before: Option<f64> = None;
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        if let ("step", Some(step), Some(before)) = (&line.kind[..], line.step, before) {
            seconds.insert(step, (line.time - before).max(0.0));
        }
        before = Some(line.time);
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_and_figures_do_not_count_and_a_repeated_step_counts_once() {
        let log = r#"{"kind":"start","step":1,"time":100.0}
{"kind":"step","step":1,"time":101.0}
{"kind":"collapse","step":1,"time":109.0}
{"kind":"step","step":2,"time":110.5}
{"kind":"step","step":3,"time":112.0}
{"kind":"start","step":3,"time":900.0}
{"kind":"step","step":3,"time":902.0}
{"kind":"st"#;
        assert_eq!(of(log), BTreeMap::from([(1, 1.0), (2, 1.5), (3, 2.0)]));
    }
}
