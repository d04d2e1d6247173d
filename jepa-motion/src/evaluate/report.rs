//! A table of errors.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::Scores;

/// Errors of networks and floors on one data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was measured on, in words.
    pub data: String,
    /// Pairs of the data.
    pub total: usize,
    /// Pairs measured on, with a true flow.
    pub pairs: usize,
    /// Pairs that were looked at and could not be read or have none.
    pub left_out: usize,
    /// Networks and floors.
    pub rows: Vec<Row>,
}

/// Errors of one estimator.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Whose.
    pub name: String,
    /// How large.
    pub scores: Scores,
}

impl Report {
    /// The figures for machines.
    pub fn figures(&self) -> Value {
        let part = |errors: Option<super::Errors>| errors.map(|errors| json!(errors));
        let row = |row: &Row| {
            let scores = &row.scores;
            json!({
                "name": row.name, "all": scores.all(), "visible": part(scores.visible()),
                "occluded": part(scores.occluded()),
            })
        };
        json!({
            "data": self.data, "total": self.total, "pairs": self.pairs, "left_out": self.left_out,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

impl Serialize for Report {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.figures().serialize(serializer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "flow: {} pairs of {}", self.pairs, self.data)?;
        let looked_at = self.pairs + self.left_out;
        if looked_at < self.total {
            write!(f, "; of its {} pairs {looked_at}, evenly spread, were looked at", self.total)?;
        }
        if self.left_out > 0 {
            write!(f, "; {} left out, unreadable or without a true flow", self.left_out)?;
        }
        let heads = ["EPE", "visible", "occluded", "F1 %", "> 1 px %", "> 3 px %", "> 5 px %"];
        write!(f, "\n{:<18}", "")?;
        for head in heads {
            write!(f, " {head:>9}")?;
        }
        for row in &self.rows {
            let (all, visible, occluded) = (row.scores.all(), row.scores.visible(), row.scores.occluded());
            let part = |errors: Option<super::Errors>| match errors {
                Some(errors) if errors.pixels > 0 => format!("{:.3}", errors.epe),
                _ => "-".to_owned(),
            };
            let [one, three, five] = all.beyond;
            write!(f, "\n{:<18} {:>9.3} {:>9} {:>9}", row.name, all.epe, part(visible), part(occluded))?;
            for share in [all.f1, one, three, five] {
                write!(f, " {share:>9.2}")?;
            }
        }
        Ok(())
    }
}
