//! A probe of a run: the trained encoder, the untrained one it began as, and the floors that need no learning, one line
//! each.

use super::{ProbeKind, ProbeLine, Variant};
use crate::data::Source;
use crate::error::Result;
use crate::probe::{self, Features, Frozen, LinearProbe, PartScores, ProbeConfig, Spread};

/// Two encoders and the data they are compared on.
pub(super) struct Comparison<V: Variant> {
    pub(super) encoders: [(&'static str, Frozen<V>); 2],
    pub(super) train: Box<dyn Source<Sample = V::Sample>>,
    pub(super) test: Box<dyn Source<Sample = V::Sample>>,
    pub(super) config: ProbeConfig,
}

impl ProbeLine {
    /// A line of one figure, 0 to 1.
    fn of(figure: f64) -> Self {
        Self { accuracy: 100.0 * figure, ..Self::default() }
    }

    /// A line of several draws.
    fn spread(spread: Spread) -> Self {
        Self { deviation: Some(100.0 * spread.deviation), ..Self::of(spread.mean) }
    }

    /// The same line of other features.
    fn named(self, features: &str) -> Self {
        Self { features: features.to_owned(), ..self }
    }
}

/// Numbers of training and test samples, and the lines.
pub(super) type Figures = ([usize; 2], Vec<ProbeLine>);

impl<V: Variant> Comparison<V> {
    /// One kind of probe.
    pub(super) fn run(self, kind: ProbeKind) -> Result<Figures> {
        let config = &self.config;
        match kind {
            ProbeKind::Knn => {
                self.of_pooled(|bank, queries| Ok(vec![ProbeLine::of(probe::knn_accuracy(bank, queries, config)?)]))
            }
            ProbeKind::Linear => self.of_pooled(|bank, queries| {
                let linear = LinearProbe::fit(bank)?;
                let twins = linear.accuracy_between(queries, self.test.twins())?.map(|a| 100.0 * a);
                Ok(vec![ProbeLine { twins, ..ProbeLine::of(linear.accuracy(queries)?) }])
            }),
            ProbeKind::LowShot => self.of_pooled(|bank, queries| {
                let mut lines = Vec::new();
                for &shots in &config.shots {
                    let spread = probe::few_a_class(bank, queries, shots, config)?;
                    lines.push(ProbeLine { shots: Some(shots), ..ProbeLine::spread(spread) });
                }
                for &share in &config.shares {
                    let spread = probe::share_of_all(bank, queries, share, config)?;
                    lines.push(ProbeLine { share: Some(share), ..ProbeLine::spread(spread) });
                }
                Ok(lines)
            }),
            ProbeKind::FewShot => self.of_pooled(|bank, queries| {
                let mut lines = Vec::new();
                for &ways in &config.few_shot.ways {
                    for &shots in &config.few_shot.shots {
                        let spread = probe::few_shot(bank, queries, [ways, shots], &config.few_shot, &config.svm)?;
                        let line = ProbeLine::spread(spread);
                        lines.push(ProbeLine { ways: Some(ways), shots: Some(shots), ..line });
                    }
                }
                Ok(lines)
            }),
            ProbeKind::Attentive => self.of_tokens(),
            ProbeKind::FineTune => self.of_weights(),
            ProbeKind::Parts => self.of_parts(),
            ProbeKind::Svm => self.of_views(),
        }
    }

    /// A probe of vectors: of both encoders and of every floor.
    fn of_pooled(&self, lines: impl Fn(&Features, &Features) -> Result<Vec<ProbeLine>>) -> Result<Figures> {
        let [(_, trained), (_, untrained)] = &self.encoders;
        let banks = probe::floors(trained, untrained, self.train.as_ref(), self.config.max_train)?;
        let queries = probe::floors(trained, untrained, self.test.as_ref(), self.config.max_test)?;
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        for ((name, bank), (_, queries)) in banks.iter().zip(&queries) {
            counts = [bank.len(), queries.len()];
            rows.extend(lines(bank, queries)?.into_iter().map(|line| line.named(name)));
        }
        Ok((counts, rows))
    }

    /// The attentive probe of both encoders; raw inputs have no tokens to look at.
    fn of_tokens(&self) -> Result<Figures> {
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        let config = &self.config.attentive;
        for (name, frozen) in &self.encoders {
            let bank = frozen.token_table(self.train.as_ref(), config.max_train.min(self.config.max_train))?;
            let queries = frozen.token_table(self.test.as_ref(), self.config.max_test)?;
            counts = [bank.rows.len(), queries.rows.len()];
            let accuracy = probe::attentive_accuracy(&bank, &queries, config, frozen.replicas())?;
            rows.push(ProbeLine::of(accuracy).named(name));
        }
        Ok((counts, rows))
    }

    /// Fine-tuning from both encoders: from the untrained one it is supervised learning from the beginning.
    fn of_weights(&self) -> Result<Figures> {
        let config = &self.config.fine_tune;
        let limits = (config, self.config.max_test);
        let mut rows = Vec::new();
        for (name, frozen) in &self.encoders {
            for &share in &config.shares {
                let spread = probe::fine_tune(frozen, self.train.as_ref(), self.test.as_ref(), share, limits)?;
                let line = ProbeLine { share: Some(share), ..ProbeLine::spread(spread) };
                let deviation = line.deviation.filter(|_| share < 1.0);
                rows.push(ProbeLine { deviation, ..line }.named(name));
            }
        }
        let counts = [self.train.len().min(config.max_train), self.test.len().min(self.config.max_test)];
        Ok((counts, rows))
    }

    /// The support vector machine over several views. Where a view draws nothing, one is all there is.
    fn of_views(self) -> Result<Figures> {
        let ProbeConfig { svm, max_train, max_test, .. } = &self.config;
        let (train, test) = (self.train.as_ref(), self.test.as_ref());
        let [(_, trained), (_, untrained)] = &self.encoders;
        let banks = probe::floors(trained, untrained, train, *max_train)?;
        let queries = probe::floors(trained, untrained, test, *max_test)?;
        let counts = [banks[0].1.len(), queries[0].1.len()];
        let mut floors = Vec::new();
        for ((name, bank), (_, queries)) in banks.iter().zip(&queries).skip(self.encoders.len()) {
            floors.push(ProbeLine::of(probe::svm_accuracy(bank, queries, svm)?).named(name));
        }
        let mut rows = Vec::new();
        for (name, mut frozen) in self.encoders {
            let (mut figures, mut before) = (Vec::new(), None);
            for view in 1..=svm.views {
                frozen = frozen.seen_as(view);
                let bank = frozen.features(train, *max_train)?;
                if before.as_ref() == Some(&bank) {
                    break;
                }
                let queries = frozen.features(test, *max_test)?;
                figures.push(probe::svm_accuracy(&bank, &queries, svm)?);
                before = Some(bank);
            }
            let line = ProbeLine::spread(Spread::of(&figures));
            let deviation = line.deviation.filter(|_| figures.len() > 1);
            rows.push(ProbeLine { deviation, ..line }.named(name));
        }
        rows.extend(floors);
        Ok((counts, rows))
    }

    /// The part probe, of both encoders and of raw values.
    fn of_parts(&self) -> Result<Figures> {
        let ProbeConfig { parts, max_train, max_test, .. } = &self.config;
        let limits = [parts.max_train.min(*max_train), *max_test];
        let (train, test) = (self.train.as_ref(), self.test.as_ref());
        let line = |scores: PartScores| ProbeLine {
            category_iou: Some(100.0 * scores.category),
            ..ProbeLine::of(scores.instance)
        };
        let mut rows = Vec::new();
        for (name, frozen) in &self.encoders {
            let scores = probe::part_scores(frozen, train, test, limits, parts.elements)?;
            rows.push(line(scores).named(name));
        }
        let raw = probe::raw_part_scores(&self.encoders[0].1, train, test, limits, parts.elements)?;
        rows.push(line(raw).named(probe::RAW));
        Ok(([train.len().min(limits[0]), raw.samples], rows))
    }
}
