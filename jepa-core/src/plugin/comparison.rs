//! A probe of a run: the trained encoder, the untrained one it began as, and the floors that need no learning, one line
//! each.

use std::sync::Arc;

use super::{NumbersLine, ProbeKind, ProbeLine, Variant};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::probe::{self, AttentiveProbe, Features, Frozen, LinearProbe, PartScores, ProbeConfig, Scaling, Spread};

/// What is compared.
pub(super) struct Comparison<V: Variant> {
    /// The trained encoder first.
    pub(super) encoders: Vec<(&'static str, Frozen<V>)>,
    /// Whether raw values and shortcuts stand beside them.
    pub(super) raw: bool,
    pub(super) config: ProbeConfig,
    /// Features of the sources, once they were needed.
    pub(super) tables: Option<Arc<Tables>>,
}

/// What probes are fitted on, and what they are scored on.
pub(super) type Sources<'a, S> = [&'a dyn Source<Sample = S>; 2];

/// Features by name, those to fit on and those to score on: of both encoders, of raw values, of shortcuts.
pub(super) type Tables = Vec<(String, [Features; 2])>;

/// Blocks that I-JEPA's paper pools side by side, where there are as many.
const LAYERS: usize = 4;

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
#[derive(Default)]
pub(super) struct Figures {
    pub(super) counts: [usize; 2],
    pub(super) rows: Vec<ProbeLine>,
    pub(super) numbers: Vec<NumbersLine>,
}

impl Figures {
    fn classes(counts: [usize; 2], rows: Vec<ProbeLine>) -> Self {
        Self { counts, rows, numbers: Vec::new() }
    }
}

impl ProbeKind {
    /// Whether it reads one vector a sample, the same for every column of labels.
    pub(super) fn is_of_vectors(self) -> bool {
        matches!(self, Self::Knn | Self::Linear | Self::LowShot | Self::FewShot)
    }
}

impl<V: Variant> Comparison<V> {
    /// One kind of probe, on the classes of the sources.
    pub(super) fn run(&mut self, kind: ProbeKind, sources: Sources<'_, V::Sample>) -> Result<Figures> {
        match kind {
            ProbeKind::Attentive => self.of_tokens(sources),
            ProbeKind::FourWay => self.of_layers(sources),
            ProbeKind::FineTune => self.of_weights(sources),
            ProbeKind::Parts => self.of_parts(sources),
            ProbeKind::Svm => self.of_views(sources),
            ProbeKind::Knn | ProbeKind::Linear | ProbeKind::LowShot | ProbeKind::FewShot => {
                let tables = self.tables(sources)?;
                self.of_tables(kind, &tables, sources[1].twins())
            }
        }
    }

    /// Every sample as one vector; made once.
    pub(super) fn tables(&mut self, sources: Sources<'_, V::Sample>) -> Result<Arc<Tables>> {
        if let Some(tables) = &self.tables {
            return Ok(tables.clone());
        }
        let tables = Arc::new(self.vectors(sources)?);
        Ok(self.tables.insert(tables).clone())
    }

    fn vectors(&self, [train, test]: Sources<'_, V::Sample>) -> Result<Tables> {
        let banks = probe::floors(&self.encoders, self.raw, train, self.config.max_train)?;
        let queries = probe::floors(&self.encoders, self.raw, test, self.config.max_test)?;
        Ok(banks.into_iter().zip(queries).map(|((name, bank), (_, queries))| (name, [bank, queries])).collect())
    }

    /// A probe of vectors: of both encoders and of every floor.
    pub(super) fn of_tables(&self, kind: ProbeKind, tables: &Tables, twins: &[[u32; 2]]) -> Result<Figures> {
        let mut figures = Figures::default();
        for (name, [bank, queries]) in tables {
            figures.counts = [bank.len(), queries.len()];
            let lines = self.of_vectors(kind, bank, queries, twins)?;
            figures.rows.extend(lines.into_iter().map(|line| line.named(name)));
        }
        Ok(figures)
    }

    fn of_vectors(
        &self,
        kind: ProbeKind,
        bank: &Features,
        queries: &Features,
        twins: &[[u32; 2]],
    ) -> Result<Vec<ProbeLine>> {
        let config = &self.config;
        let mut lines = Vec::new();
        match kind {
            ProbeKind::Knn => lines.push(ProbeLine::of(probe::knn_accuracy(bank, queries, config)?)),
            ProbeKind::LowShot => {
                let mut problem = None;
                for &shots in &config.shots {
                    match probe::few_a_class(bank, queries, shots, config) {
                        Ok(spread) => lines.push(ProbeLine { shots: Some(shots), ..ProbeLine::spread(spread) }),
                        // The other numbers of labels have their figures all the same.
                        Err(error @ Error::Config { .. }) => {
                            tracing::warn!("left out: {error}");
                            problem = Some(error);
                        }
                        Err(error) => return Err(error),
                    }
                }
                if let Some(problem) = problem.filter(|_| lines.is_empty() && config.shares.is_empty()) {
                    return Err(problem);
                }
                for &share in &config.shares {
                    let spread = probe::share_of_all(bank, queries, share, config)?;
                    lines.push(ProbeLine { share: Some(share), ..ProbeLine::spread(spread) });
                }
            }
            ProbeKind::FewShot => {
                for &ways in &config.few_shot.ways {
                    for &shots in &config.few_shot.shots {
                        let spread = probe::few_shot(bank, queries, [ways, shots], &config.few_shot, &config.svm)?;
                        let line = ProbeLine::spread(spread);
                        lines.push(ProbeLine { ways: Some(ways), shots: Some(shots), ..line });
                    }
                }
            }
            _ => {
                let linear = LinearProbe::fit(bank)?;
                let twins = linear.accuracy_between(queries, twins)?.map(|a| 100.0 * a);
                lines.push(ProbeLine { twins, ..ProbeLine::of(linear.accuracy(queries)?) });
            }
        }
        Ok(lines)
    }

    /// The linear probe in four ways, and whichever of them is best on labels held out from training. Raw values have no
    /// layers.
    fn of_layers(&mut self, [train, test]: Sources<'_, V::Sample>) -> Result<Figures> {
        let ProbeConfig { max_train, max_test, layers: usual, .. } = self.config;
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        for (name, frozen) in &mut self.encoders {
            let mut best: Option<(f64, ProbeLine)> = None;
            let several = frozen.depth(train)?.min(LAYERS);
            let ways = if several > 1 { vec![1, several] } else { vec![1] };
            for layers in ways {
                frozen.read_layers(layers);
                let (bank, queries) = (frozen.features(train, max_train)?, frozen.features(test, max_test)?);
                counts = [bank.len(), queries.len()];
                let blocks = if layers == 1 { "last block".to_owned() } else { format!("last {layers} blocks") };
                for (scaling, scaled) in [(Scaling::Each, ", standardised"), (Scaling::All, "")] {
                    let linear = LinearProbe::fit_scaled(&bank, scaling)?;
                    let line = ProbeLine::of(linear.accuracy(&queries)?).named(name);
                    if let Some(held_out) = linear.held_out
                        && best.as_ref().is_none_or(|(accuracy, _)| held_out > *accuracy)
                    {
                        let way = Some("best on held-out labels".into());
                        best = Some((held_out, ProbeLine { way, ..line.clone() }));
                    }
                    rows.push(ProbeLine { way: Some(format!("{blocks}{scaled}")), ..line });
                }
            }
            frozen.read_layers(usual);
            rows.extend(best.map(|(_, line)| line));
        }
        Ok(Figures::classes(counts, rows))
    }

    /// The attentive probe of both encoders; raw inputs have no tokens to look at.
    fn of_tokens(&self, [train, test]: Sources<'_, V::Sample>) -> Result<Figures> {
        let (mut rows, mut counts) = (Vec::new(), [0; 2]);
        let config = &self.config.attentive;
        for (name, frozen) in &self.encoders {
            let bank = frozen.token_table(train, config.max_train.min(self.config.max_train))?;
            let head = AttentiveProbe::fit(&bank, config, frozen.replicas())?;
            let (mut right, mut scored) = (0.0, 0);
            frozen.each_token_table(test, self.config.max_test, |queries| {
                right += head.accuracy(queries)? * queries.rows.len() as f64;
                scored += queries.rows.len();
                Ok(())
            })?;
            if scored == 0 {
                return Err(Error::data(test.describe(), "none of its samples can be read"));
            }
            counts = [bank.rows.len(), scored];
            let accuracy = right / scored as f64;
            rows.push(ProbeLine::of(accuracy).named(name));
        }
        Ok(Figures::classes(counts, rows))
    }

    /// Fine-tuning from both encoders: from the untrained one it is supervised learning from the beginning.
    fn of_weights(&self, [train, test]: Sources<'_, V::Sample>) -> Result<Figures> {
        let config = &self.config.fine_tune;
        let limits = (config, self.config.max_test);
        let mut rows = Vec::new();
        for (name, frozen) in &self.encoders {
            for &share in &config.shares {
                let spread = probe::fine_tune(frozen, train, test, share, limits)?;
                let line = ProbeLine { share: Some(share), ..ProbeLine::spread(spread) };
                let deviation = line.deviation.filter(|_| share < 1.0);
                rows.push(ProbeLine { deviation, ..line }.named(name));
            }
        }
        let counts = [train.len().min(config.max_train), test.len().min(self.config.max_test)];
        Ok(Figures::classes(counts, rows))
    }

    /// The support vector machine over several views. Where a view draws nothing, one is all there is.
    fn of_views(&mut self, sources: Sources<'_, V::Sample>) -> Result<Figures> {
        let [train, test] = sources;
        let tables = self.vectors(sources)?;
        let ProbeConfig { svm, max_train, max_test, .. } = &self.config;
        let counts = tables.first().map_or([0; 2], |(_, tables)| tables.each_ref().map(Features::len));
        let mut floors = Vec::new();
        for (name, [bank, queries]) in tables.iter().skip(self.encoders.len()) {
            floors.push(ProbeLine::of(probe::svm_accuracy(bank, queries, svm)?).named(name));
        }
        let mut rows = Vec::new();
        for (name, frozen) in &mut self.encoders {
            let (mut figures, mut before) = (Vec::new(), None);
            for view in 1..=svm.views {
                frozen.see_as(view);
                let bank = frozen.features(train, *max_train)?;
                if before.as_ref() == Some(&bank) {
                    break;
                }
                let queries = frozen.features(test, *max_test)?;
                figures.push(probe::svm_accuracy(&bank, &queries, svm)?);
                before = Some(bank);
            }
            frozen.see_as(0);
            let line = ProbeLine::spread(Spread::of(&figures));
            let deviation = line.deviation.filter(|_| figures.len() > 1);
            rows.push(ProbeLine { deviation, ..line }.named(name));
        }
        rows.extend(floors);
        Ok(Figures::classes(counts, rows))
    }

    /// The part probe, of both encoders and of raw values.
    fn of_parts(&self, [train, test]: Sources<'_, V::Sample>) -> Result<Figures> {
        let ProbeConfig { parts, max_train, max_test, .. } = &self.config;
        let limits = [parts.max_train.min(*max_train), *max_test];
        let line = |scores: PartScores| ProbeLine {
            category_iou: Some(100.0 * scores.category),
            ..ProbeLine::of(scores.instance)
        };
        let (mut rows, mut scored) = (Vec::new(), 0);
        for (name, frozen) in &self.encoders {
            let scores = probe::part_scores(frozen, train, test, limits, parts.elements)?;
            scored = scores.samples;
            rows.push(line(scores).named(name));
        }
        if self.raw {
            let raw = probe::raw_part_scores(&self.encoders[0].1, train, test, limits, parts.elements)?;
            rows.push(line(raw).named(probe::RAW));
        }
        Ok(Figures::classes([train.len().min(limits[0]), scored], rows))
    }
}
