//! What a point's colour says: its class, or a number.

use egui::Color32;
use serde::{Deserialize, Serialize};

use super::table::Table;
use crate::theme::{Theme, sequential};

/// What colours mean.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColourBy {
    /// The class; samples without one are grey.
    #[default]
    Class,
    /// The place in the data set.
    Place,
    /// The length of the feature vector.
    Norm,
    /// A column of the file.
    Column(String),
    /// Nothing.
    Nothing,
}

impl ColourBy {
    /// What a table can be coloured by.
    pub fn offered(table: &Table) -> Vec<Self> {
        let mut offered = Vec::new();
        if table.labels.iter().any(Option::is_some) {
            offered.push(Self::Class);
        }
        offered.extend([Self::Place, Self::Norm]);
        offered.extend(table.columns.iter().map(|(name, _)| Self::Column(name.clone())));
        offered.push(Self::Nothing);
        offered
    }

    /// Its name in a list.
    pub fn title(&self) -> &str {
        match self {
            Self::Class => "Class",
            Self::Place => "Place in the data set",
            Self::Norm => "Length of the vector",
            Self::Column(name) => name,
            Self::Nothing => "Nothing",
        }
    }

    /// The number of every row, where colours mean a number.
    pub fn numbers(&self, table: &Table) -> Option<Vec<f32>> {
        match self {
            Self::Class | Self::Nothing => None,
            Self::Place => Some(table.samples.iter().map(|&i| i as f32).collect()),
            Self::Norm => {
                let length = |row| table.row(row).iter().map(|v| v * v).sum::<f32>().sqrt();
                Some((0..table.rows()).map(length).collect())
            }
            Self::Column(name) => table.columns.iter().find(|(n, _)| n == name).map(|(_, numbers)| numbers.clone()),
        }
    }
}

/// The colours of a table's rows and what they mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Colours {
    /// One a row.
    pub of_rows: Vec<Color32>,
    /// What they mean.
    pub legend: Legend,
}

/// What colours mean.
#[derive(Debug, Clone, PartialEq)]
pub enum Legend {
    /// Classes that occur with their numbers of samples.
    Classes(Vec<(u32, usize, Color32)>),
    /// From the smallest to the largest number.
    Numbers {
        /// Dark end.
        low: f32,
        /// Bright end.
        high: f32,
    },
    /// Nothing.
    Nothing,
}

/// The colours of a table. Numbers that are not finite are grey.
pub fn colours(table: &Table, by: &ColourBy, theme: Theme) -> Colours {
    let grey = theme.faint();
    if let Some(numbers) = by.numbers(table) {
        let finite = || numbers.iter().copied().filter(|v| v.is_finite());
        let (low, high) = finite().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let span = (high - low).max(f32::MIN_POSITIVE);
        let colour = |v: &f32| if v.is_finite() { sequential((v - low) / span) } else { grey };
        let of_rows = numbers.iter().map(colour).collect();
        let legend = if low <= high { Legend::Numbers { low, high } } else { Legend::Nothing };
        return Colours { of_rows, legend };
    }
    if *by == ColourBy::Class && table.labels.iter().any(Option::is_some) {
        let of_class = |class: u32| theme.category(class as usize);
        let of_rows = table.labels.iter().map(|label| label.map_or(grey, of_class)).collect();
        let classes = table.classes().into_iter().map(|(class, count)| (class, count, of_class(class))).collect();
        return Colours { of_rows, legend: Legend::Classes(classes) };
    }
    Colours { of_rows: vec![theme.accent(); table.rows()], legend: Legend::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(vec![3.0, 4.0, 0.0, 1.0, 6.0, 8.0], 2, vec![Some(2), None, Some(2)]).unwrap();
        table.columns.push(("loss".into(), vec![1.0, f32::NAN, 3.0]));
        table
    }

    #[test]
    fn classes_have_their_colour_and_the_unknown_are_grey() {
        let theme = Theme { dark: true };
        let found = colours(&table(), &ColourBy::Class, theme);
        assert_eq!(found.of_rows, [theme.category(2), theme.faint(), theme.category(2)]);
        assert_eq!(found.legend, Legend::Classes(vec![(2, 2, theme.category(2))]));
    }

    #[test]
    fn numbers_run_from_the_dark_end_to_the_bright_one() {
        let theme = Theme { dark: false };
        let norm = colours(&table(), &ColourBy::Norm, theme);
        assert_eq!(norm.legend, Legend::Numbers { low: 1.0, high: 10.0 });
        assert_eq!((norm.of_rows[1], norm.of_rows[2]), (sequential(0.0), sequential(1.0)));
        let loss = colours(&table(), &ColourBy::Column("loss".into()), theme);
        assert_eq!(loss.of_rows, [sequential(0.0), theme.faint(), sequential(1.0)]);
    }

    #[test]
    fn only_what_a_table_has_is_offered() {
        let names: Vec<String> = ColourBy::offered(&table()).iter().map(|c| c.title().to_owned()).collect();
        assert!(names.contains(&"Class".to_owned()) && names.contains(&"loss".to_owned()));
        let plain = Table::new(vec![1.0], 1, vec![None]).unwrap();
        assert!(!ColourBy::offered(&plain).contains(&ColourBy::Class));
        let found = colours(&plain, &ColourBy::Class, Theme { dark: false });
        assert_eq!(found.legend, Legend::Nothing);
    }
}
