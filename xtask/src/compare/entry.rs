//! One competitor: a variant, its preset, and settings of its own.

use jepa_core::plugin::Settings;
use jepa_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::Request;

/// A competitor with its share of the budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Name of its own; absent: what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) named: Option<String>,
    pub(crate) variant: String,
    pub(crate) preset: String,
    /// `key=value` of this one alone, laid over those of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) assignments: Vec<String>,
    pub(crate) steps: u64,
    /// Operations of one step; 0 when unknown.
    pub(crate) flops: f64,
    /// Samples of one step; 0 in plans of an older program.
    #[serde(default)]
    pub(crate) batch: u64,
}

impl Entry {
    /// Name in tables and pictures.
    pub(crate) fn name(&self) -> String {
        match (&self.named, &self.assignments[..]) {
            (Some(name), _) => name.clone(),
            (None, []) => format!("{}/{}", self.variant, self.preset),
            (None, own) => format!("{}/{}:{}", self.variant, self.preset, own.join(";")),
        }
    }

    /// The same as part of a folder's name.
    pub(crate) fn folder(&self) -> String {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_');
        let words = self.name().split(|c| !plain(c)).filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
        if words.is_empty() { "unnamed".to_owned() } else { words }
    }

    /// What it is trained with, but for steps and seed.
    pub(crate) fn settings(&self, request: &Request) -> Settings {
        settings(request, Some(self.preset.clone()), &self.assignments)
    }
}

/// The settings of all with a preset and those of one.
pub(crate) fn settings(request: &Request, preset: Option<String>, own: &[String]) -> Settings {
    let assignments = request.assignments.iter().chain(own).cloned().collect();
    Settings { preset, assignments, data: request.data.clone(), ..Settings::default() }
}

/// A competitor as it was written: `[NAME=]ID[/PRESET][:KEY=VALUE[;KEY=VALUE..]]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) variant: &'a str,
    pub(crate) preset: Option<&'a str>,
    pub(crate) assignments: Vec<String>,
}

impl<'a> Written<'a> {
    /// Takes it apart; a part that is empty is an error.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        let (head, own) = text.split_once(':').map_or((text, None), |(head, own)| (head, Some(own)));
        let (name, head) = head.split_once('=').map_or((None, head), |(name, head)| (Some(name.trim()), head));
        let (variant, preset) =
            head.split_once('/').map_or((head, None), |(variant, preset)| (variant, Some(preset.trim())));
        let assignments: Vec<String> =
            own.into_iter().flat_map(|own| own.split(';')).map(|own| own.trim().to_owned()).collect();
        let parts = name.into_iter().chain(preset).chain(assignments.iter().map(|own| &own[..]));
        if parts.chain([variant.trim()]).any(str::is_empty) {
            let problem = "expected ID, ID/PRESET, ID:KEY=VALUE;KEY=VALUE, each with NAME= before it where it is to have \
                           a name, as in one-block=i-jepa/small:model.masks.targets=1";
            return Err(Error::config(text, problem));
        }
        Ok(Self { name, variant: variant.trim(), preset, assignments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_competitor_is_taken_apart_and_every_empty_part_is_refused() {
        let parse = |text: &'static str| {
            let Written { name, variant, preset, assignments } = Written::parse(text).unwrap();
            (name, variant, preset, assignments.join("|"))
        };
        assert_eq!(parse("i-jepa"), (None, "i-jepa", None, String::new()));
        assert_eq!(parse("mae/tiny"), (None, "mae", Some("tiny"), String::new()));
        assert_eq!(
            parse("random masks=i-jepa/small:model.masks={kind=\"random\",ratio=[0.4,0.6]}; run.batch=8"),
            (
                Some("random masks"),
                "i-jepa",
                Some("small"),
                "model.masks={kind=\"random\",ratio=[0.4,0.6]}|run.batch=8".to_owned()
            )
        );
        assert_eq!(parse("i-jepa:a.b=1"), (None, "i-jepa", None, "a.b=1".to_owned()));
        for text in ["", "/tiny", "i-jepa/", "i-jepa:", "=i-jepa", "i-jepa:a=1;"] {
            assert!(Written::parse(text).unwrap_err().to_string().contains("NAME="), "{text}");
        }
    }

    #[test]
    fn names_and_folders_tell_settings_apart() {
        let entry = |named: Option<&str>, own: &[&str]| Entry {
            named: named.map(str::to_owned),
            variant: "i-jepa".into(),
            preset: "tiny".into(),
            assignments: own.iter().map(|own| (*own).to_owned()).collect(),
            steps: 1,
            flops: 0.0,
            batch: 8,
        };
        let both = |entry: Entry| (entry.name(), entry.folder());
        assert_eq!(both(entry(None, &[])), ("i-jepa/tiny".into(), "i-jepa-tiny".into()));
        assert_eq!(both(entry(Some("1 block"), &["x=1"])), ("1 block".into(), "1-block".into()));
        let unnamed = both(entry(None, &["model.masks.targets=1"]));
        assert_eq!(unnamed, ("i-jepa/tiny:model.masks.targets=1".into(), "i-jepa-tiny-model.masks.targets-1".into()));
        // What an older plan holds is read.
        let old = r#"{"variant":"mae","preset":"small","steps":3,"flops":1.0}"#;
        assert_eq!(serde_json::from_str::<Entry>(old).unwrap().name(), "mae/small");
    }
}
