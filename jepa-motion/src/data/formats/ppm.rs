//! Portable pixel maps, binary and of 8 bits a channel: `P6`, width, height, 255, then RGB.

use std::path::Path;

use jepa_core::data::file::shortened;
use jepa_core::error::{Error, Result};
use jepa_core::picture::Picture;

use super::{Head, checked_size};

/// Decodes a file; `path` is for the error.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Picture> {
    let wrong = |problem: String| Error::format(path, problem);
    let mut head = Head::new(path, bytes);
    let kind = head.word("`P6`")?;
    if kind != "P6" {
        return Err(wrong(format!("is no binary pixel map: begins with `{}`, not `P6`", shortened(kind))));
    }
    let (width, height) = (head.number::<i64>("the width")?, head.number::<i64>("the height")?);
    let most = head.number::<i64>("the largest value")?;
    let rest = head.rest();
    if most != 255 {
        return Err(wrong(format!("has values up to {most}; 255 is read")));
    }
    let [width, height] = checked_size(path, width, height, 3, rest.len())?;
    Picture::new(width, height, 3, rest.to_vec()).map_err(|error| wrong(error.to_string()))
}

/// The bytes of a file; grey is repeated.
pub fn encode(picture: &Picture) -> Vec<u8> {
    let rgb = picture.to_rgb();
    [format!("P6\n{} {}\n255\n", rgb.width, rgb.height).as_bytes(), &rgb.pixels].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_remarks_or_not() {
        let picture = Picture::new(2, 1, 3, vec![1, 2, 3, 10, 32, 35]).unwrap();
        let path = Path::new("a.ppm");
        assert_eq!(decode(path, &encode(&picture)).unwrap(), picture);
        let remarked = [&b"P6 # a remark of words\n#\n2 1\n#more\n255\n"[..], &picture.pixels].concat();
        assert_eq!(decode(path, &remarked).unwrap(), picture);
        for (bytes, expected) in [
            (&b"P5\n2 1\n255\n123456"[..], "`P5`"),
            (b"P6\n2 1\n65535\n123456", "65535"),
            (b"P6\n2 2\n255\n123456", "holds 6"),
            (b"P6\n2 -1\n255\n123456", "2 x -1"),
            (b"P6\n2", "the width"),
        ] {
            let error = decode(path, bytes).unwrap_err().to_string();
            assert!(error.contains("a.ppm") && error.contains(expected), "{error}");
        }
    }
}
