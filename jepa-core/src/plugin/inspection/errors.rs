//! Errors of a forward pass, token by token.

use burn::prelude::*;

use crate::error::Result;
use crate::host;
use crate::jepa::Pair;
use crate::masks::MaskSet;

/// What `of` says of every predicted token of the first row of a batch, by mask set; several predictions of a token are
/// averaged, NaN where nothing is predicted. Pairs hold rows in the order (target mask, context mask, row), one or more
/// pairs a mask set; `of` gives [rows, tokens, 1].
pub(crate) fn token_errors(
    pairs: Vec<Pair>,
    sets: &[MaskSet],
    of: impl Fn(Pair) -> Tensor<3>,
) -> Result<Vec<Vec<f32>>> {
    let each = (pairs.len() / sets.len().max(1)).max(1);
    let mut all = Vec::new();
    let mut pairs = pairs.into_iter();
    for set in sets {
        let tokens = set.target.first().map_or(0, |mask| mask.tokens());
        let (mut sums, mut counts) = (vec![0f32; tokens], vec![0u32; tokens]);
        for pair in pairs.by_ref().take(each) {
            let [rows, hidden, _] = pair.predicted.dims();
            let distance = host::read(of(pair))?;
            let of_sample = set.target.first().map_or(1, |mask| mask.batch());
            let contexts = (rows / of_sample / set.target.len().max(1)).max(1);
            for (k, mask) in set.target.iter().enumerate() {
                for context in 0..contexts {
                    let row = (k * contexts + context) * of_sample;
                    let found = distance.get(row * hidden..(row + 1) * hidden).unwrap_or(&[]);
                    for (token, value) in mask.row(0).iter().zip(found) {
                        sums[*token as usize] += value;
                        counts[*token as usize] += 1;
                    }
                }
            }
        }
        all.push(sums.iter().zip(counts).map(|(sum, n)| if n > 0 { sum / n as f32 } else { f32::NAN }).collect());
    }
    Ok(all)
}
