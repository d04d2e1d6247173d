//! Middlebury's `.flo`: the number 202021.25 as a float, width and height as 32-bit integers, then u and v of every
//! pixel as floats, row by row; little-endian. Components beyond 1e9 mark an unknown flow.

use std::path::Path;

use jepa_core::error::{Error, Result};

use super::super::Flow;
use super::super::flow::UNKNOWN;
use super::checked_size;

/// 202021.25 as a float, which spells PIEH.
const MAGIC: [u8; 4] = *b"PIEH";
/// What an unknown component is written as.
const HOLE: f32 = 1.666_666_8e9;

/// Decodes a file; `path` is for the error.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Flow> {
    let Some((head, body)) = bytes.split_first_chunk::<12>() else {
        return Err(Error::format(path, format!("is no .flo file: {} bytes are fewer than its head", bytes.len())));
    };
    if !head.starts_with(&MAGIC) {
        let problem = format!("is no .flo file: begins with {:02x?}, not with PIEH", &head[..4]);
        return Err(Error::format(path, problem));
    }
    let number = |at: usize| i64::from(i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]));
    let [width, height] = checked_size(path, number(4), number(8), 8, body.len())?;
    let component = |b: &[u8; 4]| f32::from_le_bytes(*b);
    let pairs = body.as_chunks::<8>().0.iter().map(|b| b.as_chunks::<4>().0);
    let values: Vec<[f32; 2]> = pairs.map(|pair| [component(&pair[0]), component(&pair[1])]).collect();
    let known = values.iter().map(|v| v.iter().all(|v| v.abs() < UNKNOWN)).collect();
    Flow::new(width, height, values, known).map_err(|error| Error::format(path, error.to_string()))
}

/// The bytes of a file.
pub fn encode(flow: &Flow) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend((flow.width() as i32).to_le_bytes());
    bytes.extend((flow.height() as i32).to_le_bytes());
    for (value, known) in flow.values().iter().zip(flow.known()) {
        for component in value {
            bytes.extend((if *known { *component } else { HOLE }).to_le_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_bytes_are_those_of_the_format() {
        let flow =
            Flow::new(3, 2, (0..6).map(|i| [i as f32 * 0.5 - 1.0, -(i as f32)]).collect(), vec![true; 6]).unwrap();
        let bytes = encode(&flow);
        assert_eq!(bytes[..4], 202_021.25f32.to_le_bytes());
        assert_eq!((bytes[4], bytes[8], bytes.len()), (3, 2, 12 + 48));
        assert_eq!(decode(Path::new("a.flo"), &bytes).unwrap(), flow);
        let holes = Flow::new(1, 2, vec![[1.0, 2.0]; 2], vec![true, false]).unwrap();
        assert_eq!(decode(Path::new("a.flo"), &encode(&holes)).unwrap(), holes);
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        let good = encode(&Flow::whole(3, 2, vec![[1.0, 2.0]; 6]).unwrap());
        let refusal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            decode(Path::new("a.flo"), &bytes).unwrap_err().to_string()
        };
        for (found, expected) in [
            (refusal(&|b| b.truncate(7)), "7 bytes"),
            (refusal(&|b| b[0] = b'X'), "PIEH"),
            (refusal(&|b| b[4] = 4), "holds 48"),
            (refusal(&|b| b[4..8].copy_from_slice(&(-3i32).to_le_bytes())), "-3 x 2"),
            (refusal(&|b| b[8..12].copy_from_slice(&i32::MAX.to_le_bytes())), "2147483647"),
            (refusal(&|b| b.truncate(20)), "holds 8"),
        ] {
            assert!(found.contains("a.flo") && found.contains(expected), "{found}");
        }
    }
}
