//! Every number behind the report, for scores of one's own.

use std::fmt::Write as _;

use jepa_core::data::file::csv_field;

use super::pairs::MoviePair;
use super::scores::{Reduction, Surprises};

/// Two tables as CSV.
#[derive(Debug)]
pub struct Tables {
    videos: String,
    moments: String,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            videos: "observer,concept,possible,impossible,mean possible,mean impossible,max possible,max impossible\n"
                .into(),
            moments: "observer,concept,video,kind,frames seen,later time,surprise\n".into(),
        }
    }
}

impl Tables {
    /// Appends what an observer was surprised by, pair by pair.
    pub fn add(&mut self, observer: &str, pairs: &[MoviePair], measured: &[[Surprises; 2]]) {
        for (MoviePair { concept, possible, impossible, .. }, found) in pairs.iter().zip(measured) {
            let score = |reduction| found.each_ref().map(|video| video.score(Some(0), reduction).unwrap_or(f64::NAN));
            let ([p, i], [p_max, i_max]) = (score(Reduction::Mean), score(Reduction::Max));
            let names = [observer, concept, &possible.name, &impossible.name].map(csv_field).join(",");
            // Writing into a text does not fail.
            let _ = writeln!(self.videos, "{names},{p},{i},{p_max},{i_max}");
            for (kind, movie, found) in [("possible", possible, &found[0]), ("impossible", impossible, &found[1])] {
                let row = [observer, concept, &movie.name, kind].map(csv_field).join(",");
                for (seen, surprises) in found.moments() {
                    for (later, surprise) in surprises.iter().enumerate() {
                        let _ = writeln!(self.moments, "{row},{seen},{later},{surprise}");
                    }
                }
            }
        }
    }

    /// `videos.csv`, a line a pair, and `moments.csv`: what each later time of the first window surprises those who saw so
    /// many frames, a line each.
    pub fn files(self) -> [(String, Vec<u8>); 2] {
        [("videos.csv".to_owned(), self.videos.into_bytes()), ("moments.csv".to_owned(), self.moments.into_bytes())]
    }
}
