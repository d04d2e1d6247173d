//! Portable float maps: `PF` (three channels) or `Pf` (one), width and height, a scale whose sign says the order of
//! bytes (negative: little-endian), then rows from the bottom up. FlyingThings keeps u and v in the first two of three
//! channels.

use std::path::Path;

use jepa_core::data::file::shortened;
use jepa_core::error::{Error, Result};

use super::super::Flow;
use super::super::flow::UNKNOWN;
use super::{Head, checked_size};

/// Decodes a file; `path` is for the error.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Flow> {
    let wrong = |problem: String| Error::format(path, problem);
    let mut head = Head::new(path, bytes);
    match head.word("`PF`")? {
        "PF" => {}
        "Pf" => return Err(wrong("has one channel (`Pf`), a disparity perhaps; a flow has three (`PF`)".into())),
        other => return Err(wrong(format!("is no float map: begins with `{}`, not `PF`", shortened(other)))),
    }
    let (width, height) = (head.number::<i64>("the width")?, head.number::<i64>("the height")?);
    let scale = head.number::<f64>("the scale")?;
    if scale == 0.0 || !scale.is_finite() {
        return Err(wrong(format!("has the scale {scale}, whose sign says nothing about the order of bytes")));
    }
    let rest = head.rest();
    let [width, height] = checked_size(path, width, height, 12, rest.len())?;
    let component = |b: &[u8; 4]| if scale < 0.0 { f32::from_le_bytes(*b) } else { f32::from_be_bytes(*b) };
    let rows = rest.chunks_exact(12 * width).rev();
    let values: Vec<[f32; 2]> = rows
        .flat_map(|row| row.as_chunks::<12>().0)
        .map(|pixel| pixel.as_chunks::<4>().0)
        .map(|pixel| [component(&pixel[0]), component(&pixel[1])])
        .collect();
    let known = values.iter().map(|v| v.iter().all(|v| v.abs() < UNKNOWN)).collect();
    Flow::new(width, height, values, known).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(head: &str, values: &[f32], little: bool) -> Vec<u8> {
        let bytes = |v: &f32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        [head.as_bytes(), &values.iter().flat_map(bytes).collect::<Vec<u8>>()].concat()
    }

    #[test]
    fn rows_come_from_the_bottom_up_in_either_order_of_bytes() {
        let values = [1.0, 2.0, 0.0, 3.0, 4.0, 0.0];
        for (head, little) in [("PF\n1 2\n-1.0\n", true), ("PF\n1 2\n1\n", false)] {
            let flow = decode(Path::new("a.pfm"), &map(head, &values, little)).unwrap();
            assert_eq!((flow.width(), flow.values()), (1, &[[3.0, 4.0], [1.0, 2.0]][..]));
        }
    }

    #[test]
    fn every_kind_of_damage_is_named() {
        for (bytes, expected) in [
            (map("P6\n1 1\n-1\n", &[0.0; 3], true), "`P6`"),
            (map("Pf\n1 1\n-1\n", &[0.0], true), "disparity"),
            (map("PF\n1 x\n-1\n", &[0.0; 3], true), "the height"),
            (map("PF\n1.5 1\n-1\n", &[0.0; 3], true), "the width"),
            (map("PF\n1 1\n0\n", &[0.0; 3], true), "the scale"),
            (map("PF\n2 1\n-1\n", &[0.0; 3], true), "holds 12"),
            (b"PF\n1 ".to_vec(), "the height"),
        ] {
            let error = decode(Path::new("a.pfm"), &bytes).unwrap_err().to_string();
            assert!(error.contains("a.pfm") && error.contains(expected), "{error}");
        }
    }
}
