//! The alarm: which collapse the figures show, what in the configuration invites it, and what to do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Diagnostics, RegulariserConfig};
use crate::jepa::TargetSource;
use crate::objective::{DistanceConfig, ObjectiveConfig};

/// What a run does when its embeddings collapse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnCollapse {
    /// It says so and goes on.
    #[default]
    Warn,
    /// It says so, and ends with a checkpoint and an error when the next figures still show it.
    Stop,
}

/// What the embeddings have collapsed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CollapseKind {
    /// One point: every sample has the same embedding.
    Point,
    /// A few directions: dimensions repeat each other.
    Directions,
    /// Positions: a token says where it is and not what it shows.
    Positions,
}

/// A collapse in words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// What kind.
    pub collapse: CollapseKind,
    /// The figures that show it.
    pub found: String,
    /// What in the configuration invites it.
    pub cause: String,
    /// What to change.
    pub remedy: String,
}

/// What a configuration does against a collapse.
#[derive(Debug, Clone, PartialEq)]
pub struct Circumstances {
    /// Where targets come from.
    pub target: TargetSource,
    /// EMA momentum of this step.
    pub momentum: f64,
    /// The objective.
    pub objective: ObjectiveConfig,
}

/// RankMe under which there is no second direction to speak of.
const ONE_DIRECTION: f64 = 1.5;
/// Participation ratio under which one direction carries nearly all variance.
const ONE_SHARE: f64 = 1.1;
/// Share of the token variance between images under which tokens carry positions alone.
const NO_CONTENT: f64 = 0.05;
/// EMA momentum under which a target is the student of a few steps ago: half the way in seven steps.
const HASTY: f64 = 0.9;

impl CollapseKind {
    /// What figures show beside those of the untrained encoder, whose deviation may fall to the share `ratio`.
    pub fn of(figures: &Diagnostics, untrained: &Diagnostics, ratio: f64) -> Option<Self> {
        if figures.std < ratio * untrained.std {
            Some(Self::Point)
        } else if figures.rank_me < ONE_DIRECTION || figures.participation < ONE_SHARE {
            Some(Self::Directions)
        } else if figures.content < NO_CONTENT {
            Some(Self::Positions)
        } else {
            None
        }
    }
}

impl Alarm {
    /// The alarm that figures raise, if they do.
    pub fn of(
        figures: &Diagnostics,
        untrained: &Diagnostics,
        ratio: f64,
        circumstances: &Circumstances,
    ) -> Option<Self> {
        let collapse = CollapseKind::of(figures, untrained, ratio)?;
        let found = match collapse {
            CollapseKind::Point => {
                format!("mean deviation {:.4}, {:.4} before training", figures.std, untrained.std)
            }
            CollapseKind::Directions => {
                format!("RankMe {:.1}, participation ratio {:.1}", figures.rank_me, figures.participation)
            }
            CollapseKind::Positions => format!(
                "{:.1} % of the variance of tokens lies between images, {:.1} % before training",
                100.0 * figures.content,
                100.0 * untrained.content
            ),
        };
        let (cause, remedy) = circumstances.invitation().unwrap_or_else(|| circumstances.pressure(collapse));
        Some(Self { collapse, found, cause, remedy })
    }
}

impl std::fmt::Display for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.collapse {
            CollapseKind::Point => "one point",
            CollapseKind::Directions => "a few directions",
            CollapseKind::Positions => "positions without content",
        };
        write!(
            f,
            "the embeddings are collapsing to {what} ({}); cause: {}; remedy: {}",
            self.found, self.cause, self.remedy
        )
    }
}

/// Terms that pull embeddings together and nothing else: least when all are one.
fn is_closeness(term: &RegulariserConfig) -> bool {
    matches!(term, RegulariserConfig::Invariance(_) | RegulariserConfig::TimeSimilarity(_))
}

impl Circumstances {
    /// Terms of the lowest level, whose features are diagnosed.
    fn terms(&self, which: impl Fn(&RegulariserConfig) -> bool) -> Vec<&'static str> {
        let here = self.objective.regularisers.iter().filter(|r| r.level == 1);
        let effective = here.filter(|r| r.weight > 0.0 && which(&r.term));
        effective.map(|r| r.term.term().name()).collect()
    }

    /// Terms under which a constant is expensive.
    fn against_a_point(&self) -> Vec<&'static str> {
        self.terms(|term| !is_closeness(term) && !matches!(term, RegulariserConfig::Covariance(_)))
    }

    /// Terms under which dimensions that repeat each other are expensive.
    fn against_repetition(&self) -> Vec<&'static str> {
        self.terms(|term| !is_closeness(term) && !matches!(term, RegulariserConfig::Variance(_)))
    }

    /// A tool that is switched off, where one is.
    fn invitation(&self) -> Option<(String, String)> {
        let words = |cause: &str, remedy: &str| Some((cause.to_owned(), remedy.to_owned()));
        if let DistanceConfig::CentredSoftmax {
            predicted_temperature: p, target_temperature: t, centre_momentum, ..
        } = self.objective.distance
        {
            if centre_momentum >= 1.0 {
                return words(
                    "the centre of the targets never moves: one dimension can win for every sample",
                    "objective.distance.centre_momentum = 0.9",
                );
            }
            if t >= p {
                return Some((
                    format!("the targets are not sharpened (temperature {t} against {p}): they can spread evenly"),
                    "an objective.distance.target_temperature of about half the predicted one".to_owned(),
                ));
            }
        }
        if !self.against_a_point().is_empty() {
            return None;
        }
        let or_term = "or add a term such as `variance` or `sigreg` to objective.regularisers";
        match self.target {
            TargetSource::Shared => Some((
                "the targets carry a gradient and no term makes a constant expensive: the encoder lowers the energy by \
                 saying nothing"
                    .to_owned(),
                format!("target = \"ema\" (or \"stop-gradient\"), {or_term}"),
            )),
            TargetSource::StopGradient => Some((
                "the target is the student of the same step, and no term makes a constant expensive".to_owned(),
                format!("target = \"ema\" with schedule.momentum = 0.996, {or_term}"),
            )),
            TargetSource::Ema if self.momentum < HASTY => Some((
                format!("the target follows within steps (momentum {}), and nothing else keeps it apart", self.momentum),
                format!("schedule.momentum = 0.996, {or_term}"),
            )),
            TargetSource::Ema | TargetSource::Frozen => None,
        }
    }

    /// What presses on a configuration in which every tool is there.
    fn pressure(&self, collapse: CollapseKind) -> (String, String) {
        let terms = match collapse {
            CollapseKind::Directions => self.against_repetition(),
            CollapseKind::Point | CollapseKind::Positions => self.against_a_point(),
        };
        let rate = "a lower schedule.lr, a longer schedule.warmup, or a higher schedule.momentum";
        match collapse {
            CollapseKind::Positions => (
                "tokens start with little content beside their position code, or the student outruns the target: \
                 positions are learnt first and nothing more is asked for"
                    .to_owned(),
                format!("the fan-in initialisation (model.init.law = \"fan-in\") for small patches, {rate}"),
            ),
            CollapseKind::Directions if terms.is_empty() => (
                "no term keeps dimensions from repeating each other".to_owned(),
                format!("a term such as `covariance`, `barlow-twins` or `sigreg` in objective.regularisers, or {rate}"),
            ),
            _ if terms.is_empty() => (
                "the student outruns its target: the learning rate is high for this momentum".to_owned(),
                format!("{rate}, or a term such as `variance` in objective.regularisers"),
            ),
            _ => (
                format!("the terms against it ({}) are weak beside the energy", terms.join(", ")),
                format!("higher weights in objective.regularisers, or {rate}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collapse::{Covariance, TimeSimilarity, Variance};
    use crate::jepa::Role;
    use crate::objective::WeightedRegulariser;

    fn figures(std: f64, rank_me: f64, content: f64) -> Diagnostics {
        let rest = (Some(rank_me), Some(-2.0), Some(0.0), None);
        let (entropy_rank, uniformity, dead, student_distance) = rest;
        Diagnostics { std, rank_me, participation: rank_me, content, entropy_rank, uniformity, dead, student_distance }
    }

    fn alarm(now: Diagnostics, target: TargetSource, momentum: f64, terms: Vec<RegulariserConfig>) -> Option<Alarm> {
        let regularisers = terms
            .into_iter()
            .map(|term| WeightedRegulariser { term, weight: 1.0, on: Role::Context, against: None, level: 1 })
            .collect();
        let objective = ObjectiveConfig { distance: DistanceConfig::L2, normalise_targets: None, regularisers };
        Alarm::of(&now, &figures(0.4, 20.0, 0.6), 0.25, &Circumstances { target, momentum, objective })
    }

    #[test]
    fn healthy_figures_raise_none_and_every_kind_of_collapse_its_own() {
        assert_eq!(alarm(figures(0.3, 12.0, 0.4), TargetSource::Ema, 0.996, vec![]), None);
        for (now, kind) in [
            (figures(0.01, 12.0, 0.4), CollapseKind::Point),
            (figures(0.3, 1.05, 0.4), CollapseKind::Directions),
            (figures(0.3, 12.0, 0.01), CollapseKind::Positions),
        ] {
            assert_eq!(alarm(now, TargetSource::Ema, 0.996, vec![]).unwrap().collapse, kind);
        }
    }

    #[test]
    fn the_cause_is_the_tool_that_is_off() {
        let point = figures(0.01, 12.0, 0.4);
        let cause = |target, momentum, terms| alarm(point, target, momentum, terms).unwrap().cause;
        assert!(cause(TargetSource::Shared, 0.996, vec![]).contains("carry a gradient"));
        assert!(cause(TargetSource::StopGradient, 0.996, vec![]).contains("the same step"));
        assert!(cause(TargetSource::Ema, 0.0, vec![]).contains("momentum 0"));
        assert!(cause(TargetSource::Ema, 0.996, vec![]).contains("learning rate"));
        let variance = RegulariserConfig::Variance(Variance::default());
        assert!(cause(TargetSource::Shared, 0.996, vec![variance]).contains("(variance) are weak"));
        let covariance = RegulariserConfig::Covariance(Covariance::default());
        assert!(cause(TargetSource::Shared, 0.996, vec![covariance]).contains("carry a gradient"));
        // Least of all for a constant.
        let similar = RegulariserConfig::TimeSimilarity(TimeSimilarity {});
        assert!(cause(TargetSource::Shared, 0.996, vec![similar]).contains("carry a gradient"));
    }
}
