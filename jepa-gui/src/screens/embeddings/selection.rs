//! Which samples are looked at: one selection for every map on the screen, by place in the data set.

use std::collections::BTreeSet;

/// Samples in question. The same sample on another map is the same sample.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    samples: BTreeSet<usize>,
    focus: Option<usize>,
    hovered: Option<usize>,
    revision: u64,
}

impl Selection {
    /// The selected samples, ascending.
    pub fn samples(&self) -> &BTreeSet<usize> {
        &self.samples
    }

    /// The sample whose neighbours are asked for.
    pub fn focus(&self) -> Option<usize> {
        self.focus
    }

    /// The sample under the pointer, on whichever map or list.
    pub fn hovered(&self) -> Option<usize> {
        self.hovered
    }

    /// Changes whenever anything of it does.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Looks at one sample: its neighbours are wanted.
    pub fn look_at(&mut self, sample: usize) {
        if self.focus != Some(sample) {
            self.focus = Some(sample);
            self.revision += 1;
        }
    }

    /// Selects these alone, or these too.
    pub fn select(&mut self, samples: impl IntoIterator<Item = usize>, adds: bool) {
        if !adds {
            self.samples.clear();
        }
        self.samples.extend(samples);
        self.revision += 1;
    }

    /// Takes a sample in when it is out, and out when it is in.
    pub fn toggle(&mut self, sample: usize) {
        if !self.samples.remove(&sample) {
            self.samples.insert(sample);
        }
        self.revision += 1;
    }

    /// Nothing is selected or looked at.
    pub fn clear(&mut self) {
        if !self.samples.is_empty() || self.focus.is_some() {
            self.samples.clear();
            self.focus = None;
            self.revision += 1;
        }
    }

    /// The pointer is over a sample, or over none.
    pub fn hover(&mut self, sample: Option<usize>) {
        if self.hovered != sample {
            self.hovered = sample;
            self.revision += 1;
        }
    }

    /// Whether nothing stands out.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.focus.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasso_replaces_and_with_shift_adds_and_escape_clears() {
        let mut selection = Selection::default();
        selection.select([3, 1], false);
        selection.select([9], true);
        selection.toggle(3);
        assert_eq!(selection.samples().iter().copied().collect::<Vec<_>>(), [1, 9]);
        selection.select([4], false);
        assert_eq!(selection.samples().len(), 1);
        selection.look_at(4);
        selection.clear();
        assert!(selection.is_empty());
        let before = selection.revision();
        selection.clear();
        selection.hover(None);
        assert_eq!(selection.revision(), before);
    }
}
