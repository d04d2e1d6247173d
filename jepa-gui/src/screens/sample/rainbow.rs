//! Features as colours: three principal components of the tokens of a layer as red, green and blue.

use jepa_core::plugin::Layer;
use serde::{Deserialize, Serialize};

use crate::analysis::{Matrix, Pca};

/// Which tokens the components are fitted on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// Those of this sample.
    #[default]
    Sample,
    /// Those of this sample and the ones after it.
    Samples,
}

/// Tokens that are left out by their place on the first component, as background.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Foreground {
    /// None is.
    #[default]
    All,
    /// Those below the mean.
    Above,
    /// Those above it.
    Below,
}

impl Foreground {
    /// All of them with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::All, "everything"), (Self::Above, "first component high"), (Self::Below, "first component low")];
}

/// Samples that components are fitted on together.
pub const TOGETHER: usize = 8;

/// A layer as colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Coloured {
    /// Its name.
    pub name: String,
    /// Colour of each token; none of the background.
    pub colours: Vec<Option<[u8; 3]>>,
    /// Share of the variance along each of the three components.
    pub explained: [f64; 3],
}

/// Colours of the tokens of `layer`, components fitted on these and those of the same layer of `others`.
pub fn coloured(layer: &Layer, others: &[&Layer], foreground: Foreground) -> jepa_core::Result<Coloured> {
    let width = layer.width;
    let others = others.iter().filter(|other| other.width == width);
    let all: Vec<f32> = std::iter::once(&layer).chain(others).flat_map(|layer| layer.values.iter().copied()).collect();
    let is_kept = |along: &f32| match foreground {
        Foreground::All => true,
        Foreground::Above => *along > 0.0,
        Foreground::Below => *along < 0.0,
    };
    let (kept, fitted) = match foreground {
        Foreground::All => (vec![true; layer.tokens()], all),
        _ => {
            let table = Matrix::new(&all, width)?;
            let along = Pca::fit(table, 1)?.project(table, &[0])?;
            let rows = all.chunks_exact(width).zip(&along).filter(|(_, along)| is_kept(along));
            let fitted: Vec<f32> = rows.flat_map(|(row, _)| row.iter().copied()).collect();
            (along[..layer.tokens()].iter().map(is_kept).collect(), fitted)
        }
    };
    let pca = Pca::fit(Matrix::new(&fitted, width)?, 3)?;
    let chosen: Vec<usize> = (0..pca.len().min(3)).collect();
    let places = pca.project(Matrix::new(&layer.values, width)?, &chosen)?;
    let mut channels = vec![[128u8; 3]; layer.tokens()];
    for (channel, _) in chosen.iter().enumerate() {
        let along = |token: usize| places[token * chosen.len() + channel];
        let [low, high] = spread((0..layer.tokens()).filter(|token| kept[*token]).map(along).collect());
        for (token, colour) in channels.iter_mut().enumerate() {
            colour[channel] = (255.0 * ((along(token) - low) / (high - low).max(1e-12)).clamp(0.0, 1.0)) as u8;
        }
    }
    let colours = channels.into_iter().zip(&kept).map(|(colour, kept)| kept.then_some(colour)).collect();
    let explained = std::array::from_fn(|i| if i < pca.len() { pca.explained(i) } else { 0.0 });
    Ok(Coloured { name: layer.name.clone(), colours, explained })
}

/// The values between which all but the outermost two percent at each end lie: one outlier must not make all else grey.
fn spread(mut values: Vec<f32>) -> [f32; 2] {
    values.sort_by(f32::total_cmp);
    let at = |share: f32| values.get((share * values.len().saturating_sub(1) as f32).round() as usize).copied();
    [at(0.02).unwrap_or(0.0), at(0.98).unwrap_or(1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two kinds of tokens far apart along the first axis; along the second each kind is spread.
    fn layer() -> Layer {
        let row = |i: usize| {
            let side = if i.is_multiple_of(2) { 10.0 } else { -10.0 };
            [side, i as f32 * 0.3, 0.01 * (i as f32).sin(), 0.5]
        };
        Layer { name: "block 1".into(), width: 4, values: (0..20).flat_map(row).collect() }
    }

    #[test]
    fn the_first_component_parts_the_two_kinds_and_hides_one_when_asked() {
        let all = coloured(&layer(), &[], Foreground::All).unwrap();
        assert!(all.explained[0] > 0.9 && all.explained[0] > all.explained[1]);
        let reds: Vec<u8> = all.colours.iter().map(|c| c.unwrap()[0]).collect();
        assert!(reds.chunks(2).all(|pair| pair[0].abs_diff(pair[1]) > 200), "{reds:?}");
        let hidden = |foreground| -> Vec<usize> {
            let found = coloured(&layer(), &[], foreground).unwrap();
            (0..20).filter(|i| found.colours[*i].is_none()).collect()
        };
        let (above, below) = (hidden(Foreground::Above), hidden(Foreground::Below));
        assert_eq!((above.len(), below.len()), (10, 10));
        assert!(above.iter().all(|i| i % 2 == above[0] % 2) && !below.contains(&above[0]));
        // With one kind left, what is spread within it takes the first colour.
        let rest = coloured(&layer(), &[], Foreground::Above).unwrap();
        assert!(rest.explained[0] > 0.9 && rest.colours.iter().flatten().map(|c| c[0]).max() == Some(255));
    }

    #[test]
    fn other_samples_move_the_components_and_their_tokens_get_no_colour() {
        let mut other = layer();
        other.values.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 4 == 2 { i as f32 * 5.0 } else { 0.0 });
        let together = coloured(&layer(), &[&other], Foreground::All).unwrap();
        assert_eq!(together.colours.len(), 20);
        assert_ne!(together, coloured(&layer(), &[], Foreground::All).unwrap());
        let narrow = Layer { name: "block 1".into(), width: 2, values: vec![0.0; 4] };
        let alone = coloured(&layer(), &[], Foreground::All).unwrap();
        assert_eq!(coloured(&layer(), &[&narrow], Foreground::All).unwrap(), alone);
    }

    #[test]
    fn a_layer_that_says_nothing_is_of_one_colour() {
        let same = Layer { name: "features".into(), width: 3, values: vec![1.0; 12] };
        let found = coloured(&same, &[], Foreground::All).unwrap();
        assert_eq!(found.explained, [0.0; 3]);
        assert!(found.colours.windows(2).all(|pair| pair[0] == pair[1]));
        let one = Layer { name: "features".into(), width: 3, values: vec![1.0; 3] };
        assert!(coloured(&one, &[], Foreground::All).is_err());
    }
}
