//! Masks of one sample as plain lists, as they are shown and drawn by people.

use super::{Mask, MaskSet};
use crate::error::{Error, Result};

/// The masks of one sample: token numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSets {
    /// What the context encoder sees, one list a context.
    pub context: Vec<Vec<u32>>,
    /// What is to be predicted, one list a block.
    pub target: Vec<Vec<u32>>,
}

impl From<&MaskSet> for TokenSets {
    /// The masks of the first row.
    fn from(masks: &MaskSet) -> Self {
        let first = |masks: &[Mask]| masks.iter().map(|mask| mask.row(0).to_vec()).collect();
        Self { context: first(&masks.context), target: first(&masks.target) }
    }
}

impl TokenSets {
    /// The same masks for each of `rows` rows of `tokens` tokens. Both sides need a token, and all lists of a side one
    /// length, since they share a tensor.
    pub fn repeated(&self, rows: usize, tokens: usize) -> Result<MaskSet> {
        let side = |name: &str, lists: &[Vec<u32>]| {
            let length = lists.first().map_or(0, Vec::len);
            if length == 0 || lists.iter().any(|list| list.len() != length) {
                let found: Vec<usize> = lists.iter().map(Vec::len).collect();
                let problem = format!("the {name} needs lists of one length, at least one token each; found {found:?}");
                return Err(Error::config("mask", problem));
            }
            lists.iter().map(|list| Mask::new(&vec![list.clone(); rows], tokens)).collect()
        };
        Ok(MaskSet { context: side("context", &self.context)?, target: side("target", &self.target)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_masks_become_those_of_every_row_and_come_back() {
        let drawn = TokenSets { context: vec![vec![0, 4]], target: vec![vec![3], vec![1]] };
        let masks = drawn.repeated(2, 5).unwrap();
        assert_eq!((masks.target.len(), masks.target[1].row(1), masks.context[0].batch()), (2, &[1][..], 2));
        assert_eq!(TokenSets::from(&masks), drawn);
    }

    #[test]
    fn sides_without_tokens_lists_of_two_lengths_and_tokens_beyond_the_last_are_refused() {
        let refused = |context: &[&[u32]], target: &[&[u32]]| {
            let lists = |side: &[&[u32]]| side.iter().map(|list| list.to_vec()).collect();
            TokenSets { context: lists(context), target: lists(target) }.repeated(1, 5).unwrap_err().to_string()
        };
        assert!(refused(&[], &[&[1]]).contains("context"));
        assert!(refused(&[&[0]], &[&[]]).contains("target"));
        assert!(refused(&[&[0]], &[&[1], &[2, 3]]).contains("[1, 2]"));
        assert!(refused(&[&[0]], &[&[5]]).contains("token 5"));
    }
}
