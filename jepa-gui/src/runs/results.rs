//! What `cargo xtask probe` has left in a run folder, whatever the probe: its words, its figures as tables, its pictures.
//!
//! ```text
//! probes/<kind>/report.json            {kind, data, time, text, figures}; report-<data>.json for other data
//! probes/<kind>/*.png                  what an evaluation has drawn
//! ```

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::shared::name_of;
use crate::widgets::figure;

/// The results of one kind of probe.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Its name in `probe --kind`.
    pub kind: String,
    /// Its reports, that of the run's own data first; or why a file is none.
    pub reports: Vec<Result<Report, String>>,
    /// Its pictures, by name.
    pub pictures: Vec<PathBuf>,
}

/// One result.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Report {
    /// The data that was asked for, where it was not the run's own.
    #[serde(default)]
    pub data: Option<String>,
    /// Seconds since 1970.
    #[serde(default)]
    pub time: u64,
    /// As the command printed it.
    #[serde(default)]
    pub text: String,
    /// The same for machines.
    pub figures: Value,
}

/// A list of figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// What it lists.
    pub name: String,
    /// Heads.
    pub columns: Vec<String>,
    /// Cells in words, as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// Largest report that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// What lies in the run folder, by kind.
pub fn results(run: &Path) -> Vec<Results> {
    let mut found: Vec<Results> = sorted(&run.join("probes")).iter().filter(|p| p.is_dir()).map(|p| of(p)).collect();
    found.retain(|results| !results.reports.is_empty() || !results.pictures.is_empty());
    found
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn of(folder: &Path) -> Results {
    let mut results = Results { kind: name_of(folder), ..Results::default() };
    for path in sorted(folder) {
        match path.extension().and_then(|e| e.to_str()) {
            Some("json") => results.reports.push(read(&path).map_err(|e| format!("`{}`: {e}", path.display()))),
            Some("png") => results.pictures.push(path),
            _ => {}
        }
    }
    // Names sort the other way round.
    results.reports.sort_by_key(|report| report.as_ref().map_or(2, |report| i32::from(report.data.is_some())));
    results
}

fn read(path: &Path) -> Result<Report, String> {
    let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if length > LARGEST {
        return Err(format!("{length} bytes are too many for a probe result; {LARGEST} at most are read"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    serde_json::from_slice(&bytes).map_err(|e| format!("is no probe result: {e}"))
}

/// Every list of figures in a report, those inside other lists after them.
pub fn tables(figures: &Value) -> Vec<Table> {
    let mut found = Vec::new();
    if let Value::Object(object) = figures {
        walk("", object, &mut found);
    }
    found
}

fn walk(path: &str, object: &Map<String, Value>, found: &mut Vec<Table>) {
    for (key, value) in object {
        let name = if path.is_empty() { words(key) } else { format!("{path}, {}", words(key)) };
        match value {
            Value::Object(inner) => walk(&name, inner, found),
            Value::Array(items) => list(&name, &[], items, found),
            _ => {}
        }
    }
}

/// A list of objects as a table; `outer` are the cells that each row of it begins with. What is said in words comes first.
fn list(name: &str, outer: &[(String, String)], items: &[Value], found: &mut Vec<Table>) {
    let objects: Vec<&Map<String, Value>> = items.iter().filter_map(Value::as_object).collect();
    let row = |object: &&Map<String, Value>| {
        let (said, counted): (Vec<_>, Vec<_>) = object.iter().partition(|(_, value)| value.is_string());
        let own = said.into_iter().chain(counted).flat_map(|(key, value)| cells(key, value));
        outer.iter().cloned().chain(own).collect::<Vec<(String, String)>>()
    };
    add(name, objects.iter().map(row).collect(), found);
    for object in objects {
        // A row is told apart in the tables inside it by its first text.
        let named = object.iter().find_map(|(key, value)| Some((words(key), value.as_str()?.to_owned())));
        let outer: Vec<(String, String)> = outer.iter().cloned().chain(named).collect();
        for (key, value) in object.iter() {
            if let Value::Array(items) = value {
                list(&format!("{name}, {}", words(key)), &outer, items, found);
            }
        }
    }
}

/// Rows of one name lie in one table, whichever outer row they belong to.
fn add(name: &str, rows: Vec<Vec<(String, String)>>, found: &mut Vec<Table>) {
    if rows.iter().all(Vec::is_empty) {
        return;
    }
    let at = found.iter().position(|table| table.name == name).unwrap_or_else(|| {
        found.push(Table { name: name.to_owned(), columns: Vec::new(), rows: Vec::new() });
        found.len() - 1
    });
    let table = &mut found[at];
    for row in rows {
        let mut cells = vec![String::new(); table.columns.len()];
        for (column, cell) in row {
            match table.columns.iter().position(|known| *known == column) {
                Some(at) => cells[at] = cell,
                None => {
                    table.columns.push(column);
                    cells.push(cell);
                }
            }
        }
        table.rows.push(cells);
    }
    let width = table.columns.len();
    table.rows.iter_mut().for_each(|row| row.resize(width, String::new()));
}

/// The cells of a value: itself, an interval, or those of a small object. Lists have a table of their own.
fn cells(key: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(object) => {
            let inner = object.iter().filter_map(|(inner, value)| Some((inner, cell(value)?)));
            inner.map(|(inner, cell)| (format!("{} {}", words(key), words(inner)), cell)).collect()
        }
        value => cell(value).map(|cell| (words(key), cell)).into_iter().collect(),
    }
}

fn cell(value: &Value) -> Option<String> {
    let number = |value: &Value| match (value.as_u64(), value.as_f64()) {
        (Some(whole), _) => Some(whole.to_string()),
        (None, Some(number)) => Some(figure(number)),
        (None, None) => None,
    };
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(if *is { "yes" } else { "no" }.to_owned()),
        Value::Number(_) => number(value),
        Value::Array(pair) => match pair.as_slice() {
            [low, high] => Some(format!("{} to {}", number(low)?, number(high)?)),
            _ => None,
        },
        Value::Null | Value::Object(_) => None,
    }
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn any_list_of_figures_is_a_table_and_lists_inside_it_are_another() {
        let figures = json!({
            "data": "x",
            "episodes": { "count": 3 },
            "rows": [
                { "best": 1, "name": "planner", "success": 0.875, "interval": [0.5, 1.0], "runs": [{ "end": 1 }, { "end": 2 }] },
                { "name": "chance", "success": 0.125, "spread": { "low": 0.0, "high": 0.5 }, "runs": [{ "end": 3 }] },
            ],
            "lengths": [1, 2, 3],
        });
        let found = tables(&figures);
        let names: Vec<&str> = found.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["rows", "rows, runs"]);
        let cell = |table: usize, row: usize, column: &str| {
            let at = found[table].columns.iter().position(|known| known == column).unwrap();
            found[table].rows[row][at].clone()
        };
        assert_eq!((cell(0, 0, "success"), cell(0, 0, "interval")), ("0.875".into(), "0.500 to 1.00".into()));
        assert_eq!((cell(0, 1, "spread high"), cell(0, 0, "spread high")), ("0.500".into(), String::new()));
        assert_eq!((cell(1, 2, "name"), cell(1, 2, "end")), ("chance".into(), "3".into()));
        assert_eq!(found[0].columns[0], "name", "words before numbers");
        assert!(found.iter().all(|table| table.rows.iter().all(|row| row.len() == table.columns.len())));
        assert!(tables(&json!([1, 2])).is_empty() && tables(&json!({ "rows": [] })).is_empty());
    }

    #[test]
    fn reports_and_pictures_are_found_by_kind_and_foreign_files_are_said() {
        let run = tempfile::tempdir().unwrap();
        assert!(results(run.path()).is_empty());
        let probes = run.path().join("probes");
        for (path, text) in [
            ("knn/report.json", r#"{"kind":"knn","time":5,"text":"t","figures":{"rows":[]}}"#),
            ("knn/report-mnist.json", "{"),
            ("planning/episode-0.png", "no picture"),
            ("planning/notes.txt", "x"),
            ("empty/notes.txt", "x"),
        ] {
            std::fs::create_dir_all(probes.join(path).parent().unwrap()).unwrap();
            std::fs::write(probes.join(path), text).unwrap();
        }
        let found = results(run.path());
        assert_eq!(found.iter().map(|r| r.kind.as_str()).collect::<Vec<_>>(), ["knn", "planning"]);
        assert_eq!(found[0].reports[0].as_ref().unwrap().text, "t");
        assert!(found[0].reports[1].as_ref().unwrap_err().contains("report-mnist.json"));
        assert_eq!(found[1].pictures.len(), 1);
    }
}
