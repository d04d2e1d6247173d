//! What is known of samples: a class, and as many further columns of classes or numbers as the data has.

use super::Source;
use crate::error::{Error, Result};
use crate::random::Stream;

/// A column of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name in `probe --label`.
    pub name: String,
    /// What its values are.
    pub values: Values,
}

/// What the values of a column are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// One of these classes.
    Classes(Vec<String>),
    /// Numbers, `count` a sample, which belong together: a place, a point on a circle.
    Numbers {
        /// How many a sample.
        count: usize,
        /// Their unit, in words.
        unit: String,
    },
}

/// What a column says of one sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Label {
    /// Its class.
    Class(u32),
    /// Its numbers.
    Numbers(Vec<f32>),
}

impl Column {
    /// A column of classes.
    pub fn classes(name: &str, classes: Vec<String>) -> Self {
        Self { name: name.to_owned(), values: Values::Classes(classes) }
    }

    /// A column of `count` numbers a sample.
    pub fn numbers(name: &str, count: usize, unit: &str) -> Self {
        Self { name: name.to_owned(), values: Values::Numbers { count, unit: unit.to_owned() } }
    }
}

/// Every column of a source: its class first, where it has one.
pub fn columns<S: Send>(source: &dyn Source<Sample = S>) -> Vec<Column> {
    let has_class = !source.classes().is_empty() || source.label(0).is_some();
    let class = has_class.then(|| Column::classes(source.class_name(), source.classes().to_vec()));
    class.into_iter().chain(source.columns().iter().cloned()).collect()
}

/// A source under one of its columns: where that holds classes, they are this source's.
pub struct Labelled<'a, S> {
    source: &'a dyn Source<Sample = S>,
    column: Column,
    /// Place among the columns of the source; absent: its class.
    place: Option<usize>,
}

impl<'a, S: Send> Labelled<'a, S> {
    /// `source` under the column `name`; an unknown name is an error that lists those there are.
    pub fn new(source: &'a dyn Source<Sample = S>, name: &str) -> Result<Self> {
        let all = columns(source);
        let Some(at) = all.iter().position(|column| column.name == name) else {
            let known: Vec<&str> = all.iter().map(|column| &column.name[..]).collect();
            return Err(Error::unknown("column of labels", name, &known));
        };
        let classes = all.len() - source.columns().len();
        Ok(Self { source, column: all[at].clone(), place: at.checked_sub(classes) })
    }

    /// The column.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// The numbers of sample `index`; none in a column of classes, and where they are not known.
    pub fn numbers(&self, index: usize) -> Option<Vec<f32>> {
        match self.source.value(index, self.place?) {
            Some(Label::Numbers(numbers)) => Some(numbers),
            _ => None,
        }
    }
}

impl<S: Send> Source for Labelled<'_, S> {
    type Sample = S;

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize) -> Result<S> {
        self.source.read(index)
    }

    fn draw(&self, index: usize, draw: &mut Stream) -> Result<S> {
        self.source.draw(index, draw)
    }

    fn label(&self, index: usize) -> Option<u32> {
        let Some(place) = self.place else { return self.source.label(index) };
        match self.source.value(index, place) {
            Some(Label::Class(class)) => Some(class),
            _ => None,
        }
    }

    fn classes(&self) -> &[String] {
        match &self.column.values {
            Values::Classes(classes) => classes,
            Values::Numbers { .. } => &[],
        }
    }

    fn class_name(&self) -> &str {
        &self.column.name
    }

    fn twins(&self) -> &[[u32; 2]] {
        if self.place.is_none() { self.source.twins() } else { &[] }
    }

    fn name(&self, index: usize) -> String {
        self.source.name(index)
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers 0 to 5: their parity, their third, and themselves beside their square; of the last nothing is known.
    struct Six(Vec<String>, Vec<Column>);

    impl Source for Six {
        type Sample = usize;

        fn len(&self) -> usize {
            6
        }

        fn read(&self, index: usize) -> Result<usize> {
            Ok(index)
        }

        fn label(&self, index: usize) -> Option<u32> {
            Some(index as u32 % 2)
        }

        fn classes(&self) -> &[String] {
            &self.0
        }

        fn twins(&self) -> &[[u32; 2]] {
            &[[0, 1]]
        }

        fn columns(&self) -> &[Column] {
            &self.1
        }

        fn value(&self, index: usize, column: usize) -> Option<Label> {
            let number = index as f32;
            let label = if column == 0 {
                Label::Class(index as u32 / 2)
            } else {
                Label::Numbers(vec![number, number * number])
            };
            (index < 5).then_some(label)
        }

        fn name(&self, index: usize) -> String {
            index.to_string()
        }

        fn describe(&self) -> String {
            "six numbers".into()
        }
    }

    fn six() -> Six {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let thirds = Column::classes("third", words(&["low", "middle", "high"]));
        Six(words(&["even", "odd"]), vec![thirds, Column::numbers("powers", 2, "")])
    }

    #[test]
    fn a_column_takes_the_place_of_the_class_and_the_class_is_a_column() {
        let source = six();
        let names: Vec<String> = columns(&source).into_iter().map(|column| column.name).collect();
        assert_eq!(names, ["class", "third", "powers"]);
        let of = |name| Labelled::new(&source, name).unwrap();
        let labels = |labelled: &Labelled<usize>| (0..6).map(|i| labelled.label(i)).collect::<Vec<_>>();
        let class = of("class");
        assert_eq!((labels(&class)[3], class.classes().len(), class.twins().len()), (Some(1), 2, 1));
        let third = of("third");
        assert_eq!(labels(&third), [Some(0), Some(0), Some(1), Some(1), Some(2), None]);
        assert_eq!((third.classes()[2].as_str(), third.twins().len(), third.numbers(1)), ("high", 0, None));
        let powers = of("powers");
        assert_eq!((powers.numbers(3), powers.numbers(5), powers.label(3)), (Some(vec![3.0, 9.0]), None, None));
        let error = Labelled::new(&source, "thrid").err().unwrap().to_string();
        assert!(error.contains("third") && error.contains("powers"), "{error}");
    }
}
