//! Where a run is: the end of its log, without the rest.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde_json::Value;

/// Bytes of the log that are looked at: some fifty steps.
const TAIL: u64 = 16 << 10;

/// The last step of a run, and what its probes said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Latest {
    /// The last step.
    pub step: u64,
    /// Its loss.
    pub loss: Option<f64>,
    /// k-NN accuracy of the trained encoder in percent, once probed.
    pub knn: Option<f64>,
}

impl Latest {
    /// Reads the end of `events.jsonl`; nothing where there is no step in it. A line that is cut or foreign is passed
    /// over.
    pub fn read(log: &Path) -> Option<Self> {
        let mut file = File::open(log).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes).ok()?;
        Self::of(&String::from_utf8_lossy(&bytes))
    }

    fn of(text: &str) -> Option<Self> {
        let mut latest = Self::default();
        for event in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let Some(step) = event["step"].as_u64() else { continue };
            match event["kind"].as_str() {
                Some("step") => (latest.step, latest.loss) = (step, event["loss"].as_f64()),
                Some("probes") => latest.knn = event["table"]["rows"][0]["knn"].as_f64(),
                _ => {}
            }
        }
        (latest.step > 0).then_some(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_tells_where_a_run_is() {
        let line = |step: u64| format!("{{\"kind\":\"step\",\"step\":{step},\"loss\":{}}}\n", 1.0 / step as f64);
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("events.jsonl");
        let mut text: String = (1..=4000).map(line).collect();
        text.push_str(
            "{\"kind\":\"probes\",\"step\":4000,\"table\":{\"rows\":[{\"knn\":75.0},{\"knn\":60.0}]}}\n{\"kind\":\"st",
        );
        std::fs::write(&log, &text).unwrap();
        let found = Latest::read(&log).unwrap();
        assert_eq!(found, Latest { step: 4000, loss: Some(1.0 / 4000.0), knn: Some(75.0) });
        for foreign in ["", "{\"kind\":\"start\",\"step\":1}\n", "[]\n7\n"] {
            std::fs::write(&log, foreign).unwrap();
            assert_eq!(Latest::read(&log), None, "{foreign}");
        }
    }
}
