//! Finding samples by a word: the name of a class or of a sample, or a place in the data set.

use super::pictures::Pictures;
use super::table::Table;

/// A text and what it finds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// What was typed.
    pub text: String,
    found_for: Option<(String, usize, usize)>,
    found: Vec<usize>,
}

impl Search {
    /// Samples that the text finds, in the order of the table. A whole number is a place in the data set; any other text
    /// is part of a name, in upper or lower case.
    pub fn found(&mut self, table: &Table, pictures: &Pictures) -> &[usize] {
        let key = (self.text.clone(), std::ptr::from_ref(table) as usize, pictures.classes.len());
        if self.found_for.as_ref() != Some(&key) {
            self.found = find(self.text.trim(), table, pictures);
            self.found_for = Some(key);
        }
        &self.found
    }
}

fn find(text: &str, table: &Table, pictures: &Pictures) -> Vec<usize> {
    if text.is_empty() {
        return Vec::new();
    }
    if let Ok(place) = text.parse::<usize>() {
        return table.row_of(place).map(|_| place).into_iter().collect();
    }
    let text = text.to_lowercase();
    let matching = |(class, _): &(u32, usize)| pictures.class(*class).to_lowercase().contains(&text);
    let classes: Vec<u32> = table.classes().iter().filter(|class| matching(class)).map(|(class, _)| *class).collect();
    let is_named = |sample: usize| pictures.name(sample).is_some_and(|name| name.to_lowercase().contains(&text));
    let is_found = |(label, sample): &(&Option<u32>, &usize)| {
        label.is_some_and(|label| classes.contains(&label)) || is_named(**sample)
    };
    table.labels.iter().zip(&table.samples).filter(is_found).map(|(_, sample)| *sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_a_class_are_found_and_nothing_by_an_empty_text() {
        let table = Table::new(vec![0.0; 8], 2, vec![Some(0), Some(1), None, Some(1)]).unwrap();
        let mut pictures = Pictures::default();
        pictures.of(None);
        pictures.classes = vec!["Sneaker".into(), "Ankle boot".into()];
        let mut search = Search::default();
        let mut found = |text: &str| {
            search.text = text.into();
            search.found(&table, &pictures).to_vec()
        };
        assert_eq!(found("BOOT"), [1, 3]);
        assert_eq!(found(" 2 "), [2]);
        assert_eq!(found("77"), [0usize; 0]);
        assert_eq!(found(""), [0usize; 0]);
    }
}
