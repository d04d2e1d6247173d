//! What differs between the configurations of runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::runs::RunSummary;

/// Keys whose values are not the same in all runs, with the value of each run; "–" where it has none.
pub fn differences(runs: &[RunSummary]) -> Vec<(String, Vec<String>)> {
    let flat: Vec<BTreeMap<String, String>> = runs.iter().map(|run| flatten(&run.config)).collect();
    let keys: BTreeSet<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.into_iter()
        .map(|key| {
            let values = flat.iter().map(|f| f.get(key).cloned().unwrap_or_else(|| "–".to_owned()));
            (key.clone(), values.collect::<Vec<_>>())
        })
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

/// A TOML file as paths and values; a file that cannot be read has none.
fn flatten(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk("", &toml::Value::Table(table), &mut found);
    }
    found
}

fn walk(path: &str, value: &toml::Value, found: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                walk(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, found);
            }
        }
        value => drop(found.insert(path.to_owned(), value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Standing;
    use jepa_core::runlog::{RunInfo, RunState};

    fn run(config: &str) -> RunSummary {
        let info = RunInfo {
            variant: "v".into(),
            preset: "p".into(),
            version: "0".into(),
            engine: "cpu".into(),
            replicas: 1,
            seed: 0,
            state: RunState::Finished,
            command: vec![],
            from: None,
            started: 0,
        };
        RunSummary {
            path: "r".into(),
            name: "r".into(),
            info,
            standing: Standing::Finished,
            config: config.into(),
            latest: None,
        }
    }

    #[test]
    fn only_what_differs_is_listed_and_a_missing_key_is_a_difference() {
        let runs = [run("[a]\nb = 1\nc = 2"), run("[a]\nb = 1\nc = 3\n[d]\ne = [1, 2]"), run("no toml")];
        let found = differences(&runs[..2]);
        assert_eq!(
            found,
            [
                ("a.c".to_owned(), vec!["2".to_owned(), "3".to_owned()]),
                ("d.e".to_owned(), vec!["–".to_owned(), "[1, 2]".to_owned()]),
            ]
        );
        assert!(differences(&runs[..1]).is_empty() && differences(&[]).is_empty());
        assert_eq!(differences(&runs).len(), 3);
    }
}
