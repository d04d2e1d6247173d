//! A piece of an event log as columns. Steps, of which there may be a million, are read without an intermediate value.

use std::borrow::Cow;

use jepa_core::runlog::Event;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// Events of consecutive lines: steps as columns, the others one by one.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Block {
    /// Step of every row.
    pub steps: Vec<u64>,
    /// Seconds since 1970 of every row; not a number in logs that do not say it.
    pub times: Vec<f64>,
    /// Names and values of the columns, as long as `steps`; not a number where a row has no such value.
    pub columns: Vec<(String, Vec<f32>)>,
    /// Every other event: the number of rows before it, its time, and itself.
    pub others: Vec<(usize, f64, Other)>,
    /// Lines that are no event of this version and hold no figures of a step.
    pub unknown: usize,
}

/// What is no step.
#[derive(Debug, Clone, PartialEq)]
pub enum Other {
    /// An event of this version.
    Event(Event),
    /// An event that this version has no name for, as far as it says figures of a step.
    Figures(Figures),
}

/// The numbers of an event, whatever it is: a newer trainer's probe is drawn before this program knows what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// What the event calls itself.
    pub kind: String,
    /// After which step.
    pub step: u64,
    /// Every number with its path in words.
    pub values: Vec<(String, f64)>,
}

impl Figures {
    /// The numbers of an event with a kind and a step; none when there are no numbers.
    pub fn of(event: &Value) -> Option<Self> {
        let kind = event.get("kind")?.as_str()?.to_owned();
        let step = event.get("step")?.as_u64()?;
        let mut values = Vec::new();
        for (key, value) in
            event.as_object()?.iter().filter(|(key, _)| !matches!(key.as_str(), "kind" | "step" | "time"))
        {
            numbers(&key.replace('_', " "), value, &mut values);
        }
        (!values.is_empty()).then_some(Self { kind, step, values })
    }
}

/// Numbers inside a value. A list of objects is told apart by the first text that each of them holds.
fn numbers(path: &str, value: &Value, found: &mut Vec<(String, f64)>) {
    match value {
        Value::Number(number) => found.extend(number.as_f64().map(|value| (path.to_owned(), value))),
        Value::Object(object) => {
            for (key, value) in object {
                numbers(&format!("{path}, {}", key.replace('_', " ")), value, found);
            }
        }
        Value::Array(items) => {
            for object in items.iter().filter_map(Value::as_object) {
                let Some(name) = object.values().find_map(Value::as_str) else { continue };
                for (key, value) in object {
                    numbers(&format!("{name}, {}", key.replace('_', " ")), value, found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

impl Block {
    /// Reads complete lines.
    pub fn read(text: &[u8]) -> Self {
        let mut block = Self::default();
        text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).for_each(|line| block.line(line));
        block
    }

    fn line(&mut self, line: &[u8]) {
        const STEP: &[u8] = br#"{"kind":"step""#;
        let rows = self.steps.len();
        if line.starts_with(STEP) {
            let mut reader = serde_json::Deserializer::from_slice(line);
            let read = Row(self).deserialize(&mut reader).and_then(|()| reader.end());
            if read.is_ok() && self.steps.len() == rows + 1 {
                self.columns.iter_mut().for_each(|(_, values)| values.resize(rows + 1, f32::NAN));
                return;
            }
            // A damaged line leaves nothing behind.
            self.steps.truncate(rows);
            self.times.truncate(rows);
            self.columns.iter_mut().for_each(|(_, values)| values.truncate(rows));
            self.unknown += 1;
            return;
        }
        let figures = || Some(Other::Figures(Figures::of(&serde_json::from_slice(line).ok()?)?));
        match serde_json::from_slice::<Event>(line).ok().map(Other::Event).or_else(figures) {
            Some(other) => {
                let time = serde_json::from_slice::<Timed>(line).ok().and_then(|t| t.time).unwrap_or(f64::NAN);
                self.others.push((rows, time, other));
            }
            None => self.unknown += 1,
        }
    }

    fn put(&mut self, name: &str, value: f32) {
        let row = self.steps.len();
        let at = self.columns.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.columns.push((name.to_owned(), Vec::new()));
            self.columns.len() - 1
        });
        let values = &mut self.columns[at].1;
        values.resize(row, f32::NAN);
        values.push(value);
    }
}

#[derive(serde::Deserialize)]
struct Timed {
    time: Option<f64>,
}

/// Reads one step event into the row behind the last.
struct Row<'a>(&'a mut Block);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a step")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut step, mut time) = (None, f64::NAN);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            match key.0.as_ref() {
                "kind" => {
                    map.next_value::<IgnoredAny>()?;
                }
                "step" => step = Some(map.next_value::<u64>()?),
                "time" => time = map.next_value::<Option<f64>>()?.unwrap_or(f64::NAN),
                "terms" => map.next_value_seed(Terms(self.0))?,
                name @ ("loss" | "lr" | "decay" | "momentum" | "grad_norm" | "rate") => {
                    let value = map.next_value::<Option<f64>>()?.map_or(f32::NAN, |v| v as f32);
                    self.0.put(name, value);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let step = step.ok_or_else(|| A::Error::missing_field("step"))?;
        self.0.steps.push(step);
        self.0.times.push(time);
        Ok(())
    }
}

/// The loss terms of a step. One that is named like a figure of the step itself is told apart by its place.
struct Terms<'a>(&'a mut Block);

impl<'de> DeserializeSeed<'de> for Terms<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Terms<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("loss terms")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut name = String::with_capacity(32);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            name.clear();
            name.push_str(super::history::TERM);
            name.push_str(&key.0);
            let value = map.next_value::<Option<f64>>()?.map_or(f32::NAN, |v| v as f32);
            self.0.put(&name, value);
        }
        Ok(())
    }
}

/// A key without a copy where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn step(step: u64, loss: f64, terms: &[(&str, f64)]) -> Event {
        let terms: BTreeMap<String, f64> = terms.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
        Event::Step { step, loss, terms, lr: 1e-3, decay: 0.04, momentum: 0.996, grad_norm: 2.0, rate: 100.0 }
    }

    fn lines(events: &[Event]) -> Vec<u8> {
        events.iter().flat_map(|e| [serde_json::to_vec(e).unwrap(), b"\n".to_vec()].concat()).collect()
    }

    fn column<'a>(block: &'a Block, name: &str) -> &'a [f32] {
        &block.columns.iter().find(|(n, _)| n == name).unwrap().1
    }

    #[test]
    fn what_the_trainer_writes_comes_back_as_columns() {
        let warning = Event::Warning { step: 1, message: "x\ny".into() };
        let text = lines(&[step(1, 0.5, &[("a", 1.0)]), warning.clone(), step(2, 0.25, &[("b", 3.0), ("loss", 7.0)])]);
        let block = Block::read(&text);
        assert_eq!(block.steps, [1, 2]);
        assert_eq!(column(&block, "loss"), [0.5, 0.25]);
        assert!(column(&block, "term:a")[1].is_nan() && column(&block, "term:b")[0].is_nan());
        assert_eq!((column(&block, "term:a")[0], column(&block, "term:loss")[1]), (1.0, 7.0));
        assert_eq!((block.others[0].0, &block.others[0].2, block.unknown), (1, &Other::Event(warning), 0));
    }

    #[test]
    fn figures_of_an_event_without_a_name_here_are_kept_under_their_own_names() {
        let line = br#"{"kind":"probe-on-the-way","step":40,"accuracy":71.5,"note":"x","deep":{"top_5":90},
            "rows":[{"features":"trained","linear":80.0},{"features":"raw","linear":70.0},{"linear":1.0}],"time":3.0}"#;
        let line: Vec<u8> = line.iter().copied().filter(|byte| *byte != b'\n').collect();
        let block = Block::read(&line);
        let [(0, time, Other::Figures(figures))] = block.others.as_slice() else { panic!("{block:?}") };
        assert_eq!((*time, figures.step, figures.kind.as_str(), block.unknown), (3.0, 40, "probe-on-the-way", 0));
        let expected = [("accuracy", 71.5), ("deep, top 5", 90.0), ("trained, linear", 80.0), ("raw, linear", 70.0)];
        assert_eq!(figures.values, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn damaged_foreign_and_odd_lines_are_counted_and_leave_no_trace() {
        let mut text = lines(&[step(1, 0.5, &[("a", 1.0)])]);
        let foreign: [&[u8]; 8] = [
            br#"{"kind":"step","step":2,"loss":0.1,"terms":{"a":"#,
            br#"{"kind":"step","loss":0.1}"#,
            br#"{"kind":"step","step":-4}"#,
            br#"{"kind":"step","step":3} trailing"#,
            br#"{"kind":"from the future","x":[1,2]}"#,
            b"\xff\xfe\x00",
            b"[]",
            b"PK\x03\x04",
        ];
        for line in foreign {
            text.extend(line);
            text.push(b'\n');
        }
        text.extend(br#"{"kind":"step","step":9,"loss":null,"unheard":{"of":[1]},"terms":{"a":2.0},"time":12.5}"#);
        text.push(b'\n');
        let block = Block::read(&text);
        assert_eq!((block.steps.as_slice(), block.unknown), (&[1, 9][..], 8));
        assert!(column(&block, "loss")[1].is_nan());
        assert_eq!(column(&block, "term:a"), [1.0, 2.0]);
        assert_eq!(block.times[1], 12.5);
        assert!(block.columns.iter().all(|(_, values)| values.len() == 2));
    }
}
