//! Every collapse figure of a run, of its networks beside each other: what `probe --kind collapse` prints.

use nalgebra::DMatrix;
use serde::Serialize;

use super::geometry::{alignment, deviations, uniformity, unit_deviation};
use super::lidar::{Lidar, lidar};
use super::spectrum::{centred, covariance_spectrum, entropy_rank, participation_ratio, power_law, rank_me};
use super::{Alarm, Diagnostics};

/// Collapse figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// What was embedded, in words.
    pub data: String,
    /// Clean samples whose pooled embeddings were taken.
    pub samples: usize,
    /// Samples seen under several masks, and the masks of each, for LiDAR and alignment.
    pub views: [usize; 2],
    /// Target encoder, student, untrained encoder.
    pub rows: Vec<ReportRow>,
    /// ‖θ − θ'‖ / ‖θ‖ of student and target.
    pub student_distance: f64,
    /// Mean cosine of student and target embeddings of one sample, both less their mean: 1 when they agree.
    pub student_agreement: f64,
    /// Deviation of predictions over that of targets, in masked batches; towards 0: the predictor gives the mean.
    pub prediction_spread: Option<f64>,
    /// What the figures of the target encoder show, in words.
    pub alarm: Option<Alarm>,
}

/// Collapse figures of one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportRow {
    /// Which network.
    pub features: String,
    /// Values a feature vector.
    pub width: usize,
    /// The figures of every interval.
    #[serde(flatten)]
    pub figures: Diagnostics,
    /// sqrt(width) times the mean deviation of unit rows: 1 evenly spread, 0 collapsed.
    pub unit_std: f64,
    /// Smallest and largest deviation of a dimension.
    pub std_range: [f64; 2],
    /// RankMe of centred embeddings.
    pub rank_me_centred: f64,
    /// α-ReQ over ranks 11 to 100, weighted by 1 / rank; absent where there are not as many.
    pub alpha: Option<f64>,
    /// LiDAR over contexts under several masks.
    pub lidar: Option<f64>,
    /// Alignment of two of them.
    pub alignment: Option<f64>,
    /// Deviation of every dimension.
    pub deviations: Vec<f64>,
}

impl ReportRow {
    /// The figures of pooled embeddings of clean samples, [samples, width], of the `content` of their tokens, and of
    /// pooled contexts, `q` of one sample after another.
    pub fn of(features: &str, pooled: &DMatrix<f64>, content: f64, contexts: Option<(&DMatrix<f64>, usize)>) -> Self {
        let deviations = deviations(pooled);
        let eigenvalues = covariance_spectrum(pooled);
        let std = deviations.iter().sum::<f64>() / deviations.len().max(1) as f64;
        let every = |views: &DMatrix<f64>, q: usize, first: usize| {
            DMatrix::from_fn(views.nrows() / q, views.ncols(), |i, j| views[(i * q + first, j)])
        };
        Self {
            features: features.to_owned(),
            width: pooled.ncols(),
            figures: Diagnostics {
                std,
                rank_me: rank_me(pooled),
                participation: participation_ratio(&eigenvalues),
                content,
                entropy_rank: Some(entropy_rank(&eigenvalues)),
                uniformity: Some(uniformity(pooled)),
                dead: Some(
                    deviations.iter().filter(|d| **d < 0.01 * std).count() as f64 / deviations.len().max(1) as f64,
                ),
                student_distance: None,
            },
            unit_std: unit_deviation(pooled),
            std_range: [
                deviations.iter().copied().fold(f64::INFINITY, f64::min),
                deviations.iter().copied().fold(0.0, f64::max),
            ],
            rank_me_centred: rank_me(&centred(pooled)),
            alpha: power_law(&eigenvalues, 11..=100, true),
            lidar: contexts
                .and_then(|(views, q)| lidar(views, q, Lidar::STABLE_PRETRAINING))
                .map(|(directions, _)| directions),
            alignment: contexts.map(|(views, q)| alignment(&every(views, q, 0), &every(views, q, 1))),
            deviations,
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        type Figure = fn(&ReportRow) -> Option<f64>;
        let lines: [(&str, Figure); 15] = [
            ("width", |r| Some(r.width as f64)),
            ("mean deviation", |r| Some(r.figures.std)),
            ("least deviation", |r| Some(r.std_range[0])),
            ("largest deviation", |r| Some(r.std_range[1])),
            ("deviation of unit rows", |r| Some(r.unit_std)),
            ("dead dimensions", |r| r.figures.dead.map(|share| share * r.width as f64)),
            ("RankMe", |r| Some(r.figures.rank_me)),
            ("RankMe, centred", |r| Some(r.rank_me_centred)),
            ("participation ratio", |r| Some(r.figures.participation)),
            ("entropy rank", |r| r.figures.entropy_rank),
            ("LiDAR", |r| r.lidar),
            ("alpha-ReQ", |r| r.alpha),
            ("alignment", |r| r.alignment),
            ("uniformity", |r| r.figures.uniformity),
            ("content at a position", |r| Some(r.figures.content)),
        ];
        let [images, masks] = self.views;
        writeln!(f, "{}: {} samples, {images} of them under {masks} masks", self.data, self.samples)?;
        write!(f, "{:<24}", "")?;
        for row in &self.rows {
            write!(f, " {:>18}", row.features)?;
        }
        for (name, figure) in lines {
            write!(f, "\n{name:<24}")?;
            for row in &self.rows {
                match figure(row) {
                    Some(value) if value.fract() == 0.0 => write!(f, " {value:>18.0}")?,
                    Some(value) => write!(f, " {value:>18.4}")?,
                    None => write!(f, " {:>18}", "-")?,
                }
            }
        }
        write!(f, "\nstudent to target: weights {:.4} apart", self.student_distance)?;
        write!(f, ", embeddings agree to {:.4}", self.student_agreement)?;
        if let Some(spread) = self.prediction_spread {
            write!(f, "\npredictions vary {spread:.3} times as much as targets")?;
        }
        match &self.alarm {
            Some(alarm) => write!(f, "\nALARM: {alarm}"),
            None => write!(f, "\nno sign of a collapse"),
        }
    }
}
