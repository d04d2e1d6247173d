//! A piece of an event log as columns. Steps, of which there may be a million, are read without an intermediate value.

use std::borrow::Cow;

use jepa_core::runlog::Event;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

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
    pub others: Vec<(usize, f64, Event)>,
    /// Lines that are no event of this version.
    pub unknown: usize,
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
        match serde_json::from_slice::<Event>(line) {
            Ok(event) => {
                let time = serde_json::from_slice::<Timed>(line).ok().and_then(|t| t.time).unwrap_or(f64::NAN);
                self.others.push((rows, time, event));
            }
            Err(_) => self.unknown += 1,
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
        assert_eq!((block.others[0].0, &block.others[0].2, block.unknown), (1, &warning, 0));
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
