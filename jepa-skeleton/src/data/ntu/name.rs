//! What the name of a recording says, and which part of a protocol it belongs to.

use std::collections::HashSet;
use std::path::Path;

use jepa_core::data::Split;
use jepa_core::error::Result;

use crate::data::file;

/// Performers who train in the cross-subject protocol of NTU RGB+D (60 actions).
pub const TRAIN_PERFORMERS_60: [u16; 20] = [1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38];

/// Performers who train in the cross-subject protocol of NTU RGB+D 120 besides those of
/// [`TRAIN_PERFORMERS_60`].
pub const TRAIN_PERFORMERS_120: [u16; 33] = [
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86, 89, 91, 92, 93, 94, 95,
    97, 98, 100, 103,
];

/// The name of a recording, SsssCcccPpppRrrrAaaa; numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtuName {
    /// Setup: height and distance of the cameras; 1 to 17, in NTU-120 to 32.
    pub setup: u16,
    /// Camera, 1 to 3.
    pub camera: u16,
    /// Performer, 1 to 40, in NTU-120 to 106.
    pub performer: u16,
    /// Repetition, 1 or 2.
    pub replication: u16,
    /// Action, 1 to 60, in NTU-120 to 120.
    pub action: u16,
}

impl NtuName {
    /// Reads a name; what follows the twenty characters after a dot or an underscore is an ending (`.skeleton`,
    /// `_rgb.avi`).
    pub fn parse(text: &str) -> Option<Self> {
        let (name, rest) = (text.get(..20)?, text.get(20..)?);
        if !rest.is_empty() && !rest.starts_with(['.', '_']) {
            return None;
        }
        let part = |place: usize, letter: &str| {
            let digits = name.get(place * 4..place * 4 + 4)?.strip_prefix(letter)?;
            let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok())??;
            (number > 0).then_some(number)
        };
        Some(Self {
            setup: part(0, "S")?,
            camera: part(1, "C")?,
            performer: part(2, "P")?,
            replication: part(3, "R")?,
            action: part(4, "A")?,
        })
    }
}

impl std::fmt::Display for NtuName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { setup, camera, performer, replication, action } = self;
        write!(f, "S{setup:03}C{camera:03}P{performer:03}R{replication:03}A{action:03}")
    }
}

/// A published way to part the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NtuProtocol {
    /// NTU-60: twenty performers train, twenty test.
    CrossSubject60,
    /// NTU-60: cameras 2 and 3 train, camera 1 tests.
    CrossView60,
    /// NTU-120: 53 performers train, 53 test.
    CrossSubject120,
    /// NTU-120: even setups train, odd ones test.
    CrossSetup120,
}

impl NtuProtocol {
    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::CrossSubject60 => "NTU RGB+D 60, cross-subject",
            Self::CrossView60 => "NTU RGB+D 60, cross-view",
            Self::CrossSubject120 => "NTU RGB+D 120, cross-subject",
            Self::CrossSetup120 => "NTU RGB+D 120, cross-setup",
        }
    }

    /// Number of classes.
    pub fn classes(self) -> u16 {
        if self.is_120() { 120 } else { 60 }
    }

    /// Whether this is a protocol of NTU-120.
    pub fn is_120(self) -> bool {
        matches!(self, Self::CrossSubject120 | Self::CrossSetup120)
    }

    /// The part `name` belongs to; none when the data set of this protocol does not hold it.
    pub fn split(self, name: NtuName) -> Option<Split> {
        let (setups, performers) = if self.is_120() { (32, 106) } else { (17, 40) };
        if name.setup > setups || name.performer > performers || name.action > self.classes() || name.camera > 3 {
            return None;
        }
        let first = TRAIN_PERFORMERS_60.contains(&name.performer);
        let train = match self {
            Self::CrossSubject60 => first,
            Self::CrossSubject120 => first || TRAIN_PERFORMERS_120.contains(&name.performer),
            Self::CrossView60 => name.camera != 1,
            Self::CrossSetup120 => name.setup.is_multiple_of(2),
        };
        Some(if train { Split::Train } else { Split::Test })
    }
}

/// Reads a list of recordings without usable skeletons: one name a line; the published lists begin with three lines of
/// words. Any other line is an error.
pub fn missing_samples(path: &Path) -> Result<HashSet<NtuName>> {
    parse_missing(path, &file::read(path, 16 << 20)?)
}

pub(super) fn parse_missing(path: &Path, bytes: &[u8]) -> Result<HashSet<NtuName>> {
    let mut names = HashSet::new();
    for (number, line) in file::text(path, bytes)?.lines().enumerate() {
        match NtuName::parse(line.trim()) {
            Some(name) => {
                names.insert(name);
            }
            None if line.trim().is_empty() || (number < 3 && names.is_empty()) => {}
            None => {
                let problem = format!(
                    "expected the name of a recording such as S001C002P005R002A008, found `{}`",
                    file::shortened(line.trim())
                );
                return Err(file::bad_line(path, number + 1, problem));
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_and_nothing_else_is() {
        let name = NtuName { setup: 17, camera: 3, performer: 40, replication: 2, action: 60 };
        for text in ["S017C003P040R002A060", "S017C003P040R002A060.skeleton", "S017C003P040R002A060_rgb.avi"] {
            assert_eq!(NtuName::parse(text), Some(name), "{text}");
        }
        assert_eq!(name.to_string(), "S017C003P040R002A060");
        for text in [
            "",
            "S017C003P040R002",
            "S017C003P040R002A06",
            "S000C003P040R002A060",
            "S017C003P040R002A0600",
            "S+17C003P040R002A060",
            "S0é7C003P040R002A060",
            "s017c003p040r002a060",
        ] {
            assert_eq!(NtuName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn protocols_part_performers_cameras_and_setups_as_published() {
        let name = NtuName { setup: 1, camera: 1, performer: 1, replication: 1, action: 1 };
        let count = |protocol: NtuProtocol, last: u16| {
            (1..=last).filter(|&performer| protocol.split(NtuName { performer, ..name }) == Some(Split::Train)).count()
        };
        assert_eq!(count(NtuProtocol::CrossSubject60, 40), 20);
        assert_eq!(count(NtuProtocol::CrossSubject120, 106), 53);
        let view = |camera| NtuProtocol::CrossView60.split(NtuName { camera, ..name });
        assert_eq!(
            [view(1), view(2), view(3), view(4)],
            [Some(Split::Test), Some(Split::Train), Some(Split::Train), None]
        );
        let setup = |setup| NtuProtocol::CrossSetup120.split(NtuName { setup, ..name });
        assert_eq!(
            [setup(1), setup(2), setup(32), setup(33)],
            [Some(Split::Test), Some(Split::Train), Some(Split::Train), None]
        );
        let beyond = NtuName { action: 61, ..name };
        assert_eq!(NtuProtocol::CrossSubject60.split(beyond), None);
        assert_eq!(NtuProtocol::CrossSubject120.split(beyond), Some(Split::Train));
    }

    #[test]
    fn lists_of_missing_samples_may_have_three_lines_of_words_first() {
        let path = Path::new("missing.txt");
        let text = "A list of samples\nwith missing skeletons\n\nS001C002P005R002A008\r\nS001C002P006R001A008\n\n";
        assert_eq!(parse_missing(path, text.as_bytes()).unwrap().len(), 2);
        let error = parse_missing(path, b"S001C002P005R002A008\nwords\n").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("words"), "{error}");
        assert!(parse_missing(path, b"a\nb\nc\nd\n").unwrap_err().to_string().contains("line 4"));
    }
}
