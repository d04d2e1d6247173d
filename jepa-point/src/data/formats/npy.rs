//! NumPy's NPY: one array of points, [count, 3 or more], in f32 or f64.
//!
//! Layout (NumPy's `format` module): `\x93NUMPY`, the version, the length of the header, the header as a Python
//! dictionary with `descr`, `fortran_order` and `shape`, the values. The header is read here because a general reader
//! of Python literals recurses as deep as a file tells it to.

use super::{Shape, text};

/// Longest header: NumPy fills up to 64 or 128 bytes.
const MAX_HEADER: usize = 4096;

/// Reads a file as points; columns after the third are left out.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let array = Array::read(bytes)?;
    let &[count, width] = array.shape.as_slice() else {
        return Err(format!("its array has the shape {:?}, expected [points, 3 or more]", array.shape));
    };
    if width < 3 {
        return Err(format!("its array has the shape [{count}, {width}], expected [points, 3 or more]"));
    }
    let value = |row: usize, column: usize| {
        array.value(if array.by_column { column * count + row } else { row * width + column })
    };
    let points = (0..count).map(|row| std::array::from_fn(|axis| value(row, axis))).collect();
    Shape::points(points, None)
}

struct Array<'a> {
    /// Bytes of the values, as many as the shape says.
    values: &'a [u8],
    size: usize,
    big: bool,
    by_column: bool,
    shape: Vec<usize>,
}

impl<'a> Array<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let cut = || "is cut off in its header".to_owned();
        let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("does not start with `\\x93NUMPY`: not an NPY file")?;
        let (&[major, _], rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let (length, rest) = match major {
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
                (usize::from(u16::from_le_bytes(*length)), rest)
            }
            2 | 3 => {
                let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
                (u32::from_le_bytes(*length) as usize, rest)
            }
            _ => return Err(format!("has the version {major}, expected 1 to 3")),
        };
        if length > MAX_HEADER {
            return Err(format!("its header has {length} bytes, more than the {MAX_HEADER} allowed"));
        }
        let (header, values) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header = text::of(header)?;
        let after = |key: &str| {
            let at = header.windows(key.len()).position(|window| window == key.as_bytes());
            let rest = at.map(|at| header[at + key.len()..].trim_ascii_start());
            rest.and_then(|rest| rest.strip_prefix(b":")).map(<[u8]>::trim_ascii_start)
        };
        let missing = |key: &str| format!("its header {} has no {key}", text::shown(header));
        let kind = after("'descr'").ok_or_else(|| missing("`descr`"))?;
        let (big, size): (bool, usize) = match kind.get(..5) {
            Some(b"'<f4'") => (false, 4),
            Some(b"'<f8'") => (false, 8),
            Some(b"'>f4'") => (true, 4),
            Some(b"'>f8'") => (true, 8),
            _ => {
                let end = kind.iter().position(|b| *b == b',').unwrap_or(kind.len());
                return Err(format!("its values are {}, expected f4 or f8", text::shown(&kind[..end])));
            }
        };
        let order = after("'fortran_order'").ok_or_else(|| missing("`fortran_order`"))?;
        let by_column = match (order.starts_with(b"True"), order.starts_with(b"False")) {
            (true, _) => true,
            (_, true) => false,
            _ => return Err(missing("True or False for `fortran_order`")),
        };
        let shape = after("'shape'").and_then(|shape| shape.strip_prefix(b"(")).ok_or_else(|| missing("`shape`"))?;
        let end = shape.iter().position(|b| *b == b')').ok_or_else(|| missing("end of its shape"))?;
        let sides = shape[..end].split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|side| !side.is_empty());
        let shape: Vec<usize> =
            sides.map(|side| text::whole(side).map(|side| side as usize)).collect::<Result<_, _>>()?;
        let promised = shape.iter().try_fold(size, |product, side| product.checked_mul(*side));
        if promised != Some(values.len()) {
            return Err(format!(
                "its header promises an array of {shape:?} values of {size} bytes, {} bytes follow: cut off or damaged",
                values.len()
            ));
        }
        Ok(Self { values, size, big, by_column, shape })
    }

    /// Value `at` in the order of the file; not a number beyond the end.
    fn value(&self, at: usize) -> f32 {
        let bytes = self.values.get(at * self.size..(at + 1) * self.size).unwrap_or_default();
        match (bytes, self.big) {
            (&[a, b, c, d], false) => f32::from_le_bytes([a, b, c, d]),
            (&[a, b, c, d], true) => f32::from_be_bytes([a, b, c, d]),
            (&[a, b, c, d, e, f, g, h], false) => f64::from_le_bytes([a, b, c, d, e, f, g, h]) as f32,
            (&[a, b, c, d, e, f, g, h], true) => f64::from_be_bytes([a, b, c, d, e, f, g, h]) as f32,
            _ => f32::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str, values: &[u8]) -> Vec<u8> {
        let mut bytes = [b"\x93NUMPY", &[version, 0][..]].concat();
        match version {
            1 => bytes.extend((header.len() as u16).to_le_bytes()),
            _ => bytes.extend((header.len() as u32).to_le_bytes()),
        }
        bytes.extend(header.bytes());
        bytes.extend(values);
        bytes
    }

    fn header(kind: &str, columns: bool, shape: &str) -> String {
        let order = if columns { "True" } else { "False" };
        format!("{{'descr': '{kind}', 'fortran_order': {order}, 'shape': {shape}, }}      \n")
    }

    #[test]
    fn both_sizes_byte_orders_and_storage_orders_give_one_cloud() {
        let rows = [1.0, 2.0, 3.0, 9.0, 4.0, 5.0, 6.0, 9.0];
        let columns = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0, 9.0, 9.0];
        let f4 = |v: &[f64]| v.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect::<Vec<_>>();
        let f4_big = |v: &[f64]| v.iter().flat_map(|v| (*v as f32).to_be_bytes()).collect::<Vec<_>>();
        let f8 = |v: &[f64]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let f8_big = |v: &[f64]| v.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>();
        for bytes in [
            file(1, &header("<f4", false, "(2, 4)"), &f4(&rows)),
            file(2, &header(">f4", false, "(2, 4)"), &f4_big(&rows)),
            file(3, &header("<f8", true, "(2, 4)"), &f8(&columns)),
            file(1, &header(">f8", true, "(2,4,)"), &f8_big(&columns)),
        ] {
            let Shape::Points(cloud) = decode(&bytes).unwrap() else { panic!("expected points") };
            assert_eq!(cloud.points(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        }
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let of = |kind: &str, shape: &str, values: &[u8]| file(1, &header(kind, false, shape), values);
        let deep = "(".repeat(70_000);
        for (bytes, expected) in [
            (of("<f4", "(1, 3)", &[0; 11]), "promises an array of [1, 3] values of 4 bytes, 11 bytes"),
            (of("<f4", "(1, 3)", &[0; 13]), "13 bytes follow"),
            (of("<f4", "(18446744073709551615, 18446744073709551615)", &[]), "promises"),
            (of("<f4", "(99999999999999999999999, 3)", &[]), "not a whole number"),
            (of("<f4", "(-1, 3)", &[]), "not a whole number"),
            (of("<f4", "(0, 3)", &[]), "no points"),
            (of("<f4", "(1, 2)", &[0; 8]), "3 or more"),
            (of("<f4", "(1, 1, 3)", &[0; 12]), "3 or more"),
            (of("<f4", "1, 3", &[0; 12]), "no `shape`"),
            (of("<f4", "(1, 3)", &f32::NAN.to_le_bytes().repeat(3)), "finite"),
            (of("<f8", "(1, 3)", &1e300f64.to_le_bytes().repeat(3)), "finite"),
            (of("|O", "(1, 3)", &[0; 12]), "expected f4 or f8"),
            (file(1, "{}", &[]), "no `descr`"),
            (file(2, &deep, &[]), "more than the 4096"),
            (file(9, "{}", &[]), "version 9"),
            (of("<f4", "(1, 3)", &[0; 12])[..40].to_vec(), "cut off"),
            (b"\x93NUMPY".to_vec(), "cut off"),
            (b"1 2 3".to_vec(), "not an NPY file"),
        ] {
            let error = decode(&bytes).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
