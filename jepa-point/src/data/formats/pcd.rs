//! PCD of the Point Cloud Library: ASCII, binary and compressed.
//!
//! Layout (PCL's `The PCD file format`): a text header with FIELDS, SIZE, TYPE, COUNT, WIDTH, HEIGHT, POINTS and DATA,
//! then the points one after the other; compressed data has two little-endian u32, the sizes packed and unpacked, and
//! holds one field after the other.

use super::{Shape, lzf, text};

/// Longest header.
const MAX_HEADER: usize = 1 << 16;

/// Reads a file as points, with normals where it has normal_x, normal_y and normal_z. Points whose three coordinates are
/// not numbers are places without a measurement and are left out: PCL writes clouds that are not dense so, in one row
/// (HEIGHT 1) as in several.
pub(super) fn decode(bytes: &[u8]) -> Result<Shape, String> {
    let (header, body) = Header::read(bytes)?;
    let count = header.points;
    let mut rows: Vec<[f32; 6]> = Vec::new();
    let (columns, with_normals) = header.columns()?;
    match header.data {
        Data::Ascii => {
            let body = text::of(body)?;
            let width: usize = header.fields.iter().map(|field| field.count).sum();
            if count.saturating_mul(2 * width) > body.len() + 1 {
                return Err(header.too_short(body.len()));
            }
            let mut words = text::words(body);
            rows.reserve(count);
            for row in 0..count {
                let mut point = [0.0; 6];
                for at in 0..width {
                    let word = words.next().ok_or_else(|| format!("ends at point {row} of {count}: cut off"))?;
                    for (value, column) in point.iter_mut().zip(&columns) {
                        if column.index == at {
                            *value = number(word).map_err(|problem| format!("point {row}: {problem}"))?;
                        }
                    }
                }
                rows.push(point);
            }
            if let Some(word) = words.next() {
                return Err(format!("{} follows after the {count} points of the header", text::shown(word)));
            }
        }
        Data::Binary => {
            let stride = header.stride();
            // Writers may fill up to a whole page after the points.
            let body = body.get(..count.saturating_mul(stride)).ok_or_else(|| header.too_short(body.len()))?;
            rows.extend(
                body.chunks_exact(stride)
                    .map(|row| columns.map(|column| column.scalar.value(row.get(column.offset..).unwrap_or_default()))),
            );
        }
        Data::Compressed => {
            let stride = header.stride();
            let sizes = body.split_first_chunk::<8>();
            let (&[a, b, c, d, e, f, g, h], packed) = sizes.ok_or("ends before its compressed data")?;
            let (length, size) = (u32::from_le_bytes([a, b, c, d]) as usize, u32::from_le_bytes([e, f, g, h]) as usize);
            if Some(size) != count.checked_mul(stride) {
                return Err(format!("its compressed data promises {size} bytes, {count} points have {stride} each"));
            }
            let packed = packed.get(..length).ok_or_else(|| {
                format!("promises {length} compressed bytes, {} follow: cut off or damaged", packed.len())
            })?;
            let body = lzf::unpack(packed, size)?;
            // Field by field: the bytes before a field in a row lie `count` times before it here.
            rows.extend((0..count).map(|row| {
                columns.map(|column| {
                    let at = column.start * count + row * column.step + (column.offset - column.start);
                    column.scalar.value(body.get(at..).unwrap_or_default())
                })
            }));
        }
    }
    rows.retain(|row| !row[..3].iter().all(|v| v.is_nan()));
    if count > 0 && rows.is_empty() {
        return Err(format!("none of its {count} points is a measurement"));
    }
    let points = rows.iter().map(|&[x, y, z, ..]| [x, y, z]).collect();
    let normals = with_normals.then(|| rows.iter().map(|&[.., x, y, z]| [x, y, z]).collect());
    Shape::points(points, normals)
}

/// A number or, as PCL writes it, `nan`.
fn number(word: &[u8]) -> Result<f32, String> {
    if word.eq_ignore_ascii_case(b"nan") { Ok(f32::NAN) } else { text::number(word) }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    Ascii,
    Binary,
    Compressed,
}

/// A type of numbers: F, I or U with a number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scalar {
    kind: u8,
    size: usize,
}

impl Scalar {
    fn value(self, bytes: &[u8]) -> f32 {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(bytes.iter().take(self.size)) {
            *to = *from;
        }
        let bits = u64::from_le_bytes(word);
        match (self.kind, self.size) {
            (b'F', 4) => f32::from_bits(bits as u32),
            (b'F', _) => f64::from_bits(bits) as f32,
            (b'U', _) => bits as f32,
            // The sign bit moved to the top and back down again.
            _ => ((bits << (64 - 8 * self.size)) as i64 >> (64 - 8 * self.size)) as f32,
        }
    }
}

#[derive(Debug)]
struct Field {
    name: String,
    scalar: Scalar,
    count: usize,
}

/// Where a coordinate lies.
#[derive(Debug, Clone, Copy)]
struct Column {
    scalar: Scalar,
    /// Number of the value in a row.
    index: usize,
    /// Bytes of a row before it.
    offset: usize,
    /// Bytes of a row before its field.
    start: usize,
    /// Bytes of its field in a row.
    step: usize,
}

#[derive(Debug)]
struct Header {
    fields: Vec<Field>,
    points: usize,
    data: Data,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<(Self, &[u8]), String> {
        let mut lists: [Vec<String>; 4] = Default::default();
        let (mut width, mut height, mut points, mut at) = (None, None, None, 0);
        for number in 1.. {
            let rest = &bytes[at..];
            let Some(length) = rest.iter().take(MAX_HEADER).position(|b| *b == b'\n') else {
                return Err("its header has no line `DATA`: cut off or not a PCD file".into());
            };
            at += length + 1;
            if at > MAX_HEADER {
                return Err(format!("its header is longer than {MAX_HEADER} bytes"));
            }
            let line = text::before(rest[..length].trim_ascii(), b'#');
            let mut words = text::words(line);
            let (key, mut values) = (words.next().unwrap_or_default(), words.map(String::from_utf8_lossy));
            let mut one = || values.next().unwrap_or_default().into_owned();
            let count = |text: String| text::whole(text.as_bytes()).map(Some).map_err(text::at(number));
            match key {
                b"" | b"VERSION" | b"VIEWPOINT" => {}
                b"FIELDS" => lists[0] = values.map(String::from).collect(),
                b"SIZE" => lists[1] = values.map(String::from).collect(),
                b"TYPE" => lists[2] = values.map(String::from).collect(),
                b"COUNT" => lists[3] = values.map(String::from).collect(),
                b"WIDTH" => width = count(one())?,
                b"HEIGHT" => height = count(one())?,
                b"POINTS" => points = count(one())?,
                b"DATA" => {
                    let data = match one().as_str() {
                        "ascii" => Data::Ascii,
                        "binary" => Data::Binary,
                        "binary_compressed" => Data::Compressed,
                        other => return Err(text::at(number)(format!("unknown encoding `{}`", other.escape_debug()))),
                    };
                    let product = width.map(|width: u64| width.saturating_mul(height.unwrap_or(1)));
                    let points = points.or(product).ok_or("its header has neither POINTS nor WIDTH")?;
                    if let Some(product) = product.filter(|product| *product != points) {
                        return Err(format!("its header promises {points} points and WIDTH x HEIGHT of {product}"));
                    }
                    let points = usize::try_from(points).unwrap_or(usize::MAX);
                    return Ok((Self { fields: fields(lists)?, points, data }, &bytes[at..]));
                }
                _ => return Err(text::at(number)(format!("{} is not part of a PCD header", text::shown(key)))),
            }
        }
        Err("has no header".into())
    }

    /// Bytes of a row.
    fn stride(&self) -> usize {
        self.fields.iter().map(|field| field.scalar.size * field.count).sum()
    }

    /// Where x, y, z and the normal lie, and whether there is a normal.
    fn columns(&self) -> Result<([Column; 6], bool), String> {
        let find = |name: &str| {
            let (mut index, mut offset) = (0, 0);
            for Field { name: found, scalar, count } in &self.fields {
                let step = scalar.size * count;
                if found == name {
                    return Some(Column { scalar: *scalar, index, offset, start: offset, step });
                }
                index += count;
                offset += step;
            }
            None
        };
        let (Some(x), Some(y), Some(z)) = (find("x"), find("y"), find("z")) else {
            let names: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            return Err(format!("has the fields {}, expected x, y and z", names.join(", ")));
        };
        Ok(match (find("normal_x"), find("normal_y"), find("normal_z")) {
            (Some(nx), Some(ny), Some(nz)) => ([x, y, z, nx, ny, nz], true),
            _ => ([x, y, z, x, y, z], false),
        })
    }

    fn too_short(&self, left: usize) -> String {
        format!("its header promises {} points, {left} bytes follow: cut off or damaged", self.points)
    }
}

fn fields([names, sizes, kinds, counts]: [Vec<String>; 4]) -> Result<Vec<Field>, String> {
    if sizes.len() != names.len() || kinds.len() != names.len() || !(counts.is_empty() || counts.len() == names.len()) {
        return Err(format!(
            "its header has {} FIELDS, {} SIZE, {} TYPE and {} COUNT, expected as many of each",
            names.len(),
            sizes.len(),
            kinds.len(),
            counts.len()
        ));
    }
    let mut fields = Vec::with_capacity(names.len());
    for (at, name) in names.into_iter().enumerate() {
        let scalar = match (kinds[at].as_bytes(), sizes[at].as_str()) {
            ([kind @ b'F'], size @ ("4" | "8")) | ([kind @ (b'I' | b'U')], size @ ("1" | "2" | "4" | "8")) => {
                Scalar { kind: *kind, size: usize::from(size.as_bytes()[0] - b'0') }
            }
            _ => return Err(format!("field `{name}` has the unknown type {} of {} bytes", kinds[at], sizes[at])),
        };
        let count = counts.get(at).map_or(Ok(1), |count| text::whole(count.as_bytes()))?;
        if count == 0 || count > 4096 {
            return Err(format!("field `{name}` has {count} values, expected 1 to 4096"));
        }
        fields.push(Field { name, scalar, count: count as usize });
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "# .PCD v0.7\nVERSION 0.7\nFIELDS rgb x y hist z normal_x normal_y normal_z\n\
                          SIZE 4 4 8 1 2 4 4 4\nTYPE U F F U I F F F\nCOUNT 1 1 1 3 1 1 1 1\nWIDTH 2\nHEIGHT 1\n\
                          VIEWPOINT 0 0 0 1 0 0 0\nPOINTS 2\nDATA ";

    /// The values of each field for both points.
    fn fields() -> Vec<[Vec<u8>; 2]> {
        let f = |a: f32, b: f32| [a.to_le_bytes().to_vec(), b.to_le_bytes().to_vec()];
        vec![
            [7u32.to_le_bytes().to_vec(), 8u32.to_le_bytes().to_vec()],
            f(1.0, 4.0),
            [2f64.to_le_bytes().to_vec(), 5f64.to_le_bytes().to_vec()],
            [vec![1, 2, 3], vec![4, 5, 6]],
            [(-3i16).to_le_bytes().to_vec(), 6i16.to_le_bytes().to_vec()],
            f(0.0, 0.0),
            f(0.0, 1.0),
            f(1.0, 0.0),
        ]
    }

    fn ascii() -> Vec<u8> {
        (HEADER.to_owned() + "ascii\n7 1 2 1 2 3 -3 0 0 1\n8 4 5 4 5 6 6 0 1 0\n").into_bytes()
    }

    fn binary() -> Vec<u8> {
        let mut bytes = (HEADER.to_owned() + "binary\n").into_bytes();
        (0..2).for_each(|point| fields().iter().for_each(|field| bytes.extend(&field[point])));
        bytes
    }

    fn compressed(lie: impl Fn(&mut Vec<u8>, &mut u32)) -> Vec<u8> {
        let plain: Vec<u8> = fields().iter().flat_map(|field| field.concat()).collect();
        let (mut packed, mut size) = (lzf::pack(&plain), plain.len() as u32);
        lie(&mut packed, &mut size);
        let mut bytes = (HEADER.to_owned() + "binary_compressed\n").into_bytes();
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(packed);
        bytes
    }

    #[test]
    fn the_three_encodings_give_one_cloud_with_normals() {
        for bytes in [ascii(), binary(), compressed(|_, _| {})] {
            let Shape::Points(cloud) = decode(&bytes).unwrap() else { panic!("expected points") };
            assert_eq!(cloud.points(), [[1.0, 2.0, -3.0], [4.0, 5.0, 6.0]]);
            assert_eq!(cloud.normals().unwrap(), [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
        }
    }

    #[test]
    fn places_without_a_measurement_are_left_out_and_half_a_measurement_is_refused_at_any_height() {
        for (width, height) in [(1, 2), (2, 1)] {
            let header = format!("FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nWIDTH {width}\nHEIGHT {height}\nPOINTS 2\n");
            let ascii = |second: &str| (header.clone() + "DATA ascii\nnan nan nan\n" + second + "\n").into_bytes();
            let mut binary = (header.clone() + "DATA binary\n").into_bytes();
            binary.extend([f32::NAN, f32::NAN, f32::NAN, 1.0, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()));
            for bytes in [ascii("1 2 3"), binary] {
                let Shape::Points(cloud) = decode(&bytes).unwrap() else { panic!("expected points") };
                assert_eq!(cloud.points(), [[1.0, 2.0, 3.0]]);
            }
            let refused = |second: &str| decode(&ascii(second)).unwrap_err();
            assert!(refused("nan nan NaN").contains("none of its 2 points"));
            assert!(refused("nan 2 3").contains("finite"));
        }
    }

    #[test]
    fn damaged_files_say_what_is_wrong() {
        let with = |from: &str, to: &str| String::from_utf8(ascii()).unwrap().replace(from, to).into_bytes();
        let huge = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(text.contains("POINTS 2"));
            let at = bytes.windows(8).position(|w| w == b"POINTS 2").unwrap();
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap().replace("WIDTH 2", "WIDTH 4000000000");
            [head.as_bytes(), b"POINTS 4000000000", &bytes[at + 8..]].concat()
        };
        for (bytes, expected) in [
            (huge(ascii()), "promises 4000000000 points"),
            (huge(binary()), "promises 4000000000 points"),
            (huge(compressed(|_, _| {})), "4000000000 points have"),
            (with("POINTS 2", "POINTS 3"), "promises 3 points and WIDTH x HEIGHT"),
            (with("POINTS 2", "POINTS -2"), "not a whole number"),
            (with("8 4 5 4 5 6 6 0 1 0", "8 4"), "cut off"),
            (with("8 4 5", "8 4 5 5"), "`0` follows"),
            (with("8 4 5", "8 inf 5"), "point 1: `inf`"),
            (with("8 4 5", "8 four 5"), "`four` is not a number"),
            (with("FIELDS rgb x", "FIELDS rgb q"), "expected x, y and z"),
            (with("SIZE 4", "SIZE 3"), "unknown type"),
            (with("SIZE 4", "SIZE"), "as many of each"),
            (with("COUNT 1 1", "COUNT 0 1"), "has 0 values"),
            (with("DATA ascii", "DATA gzip"), "unknown encoding"),
            (with("VERSION", "VERSIO"), "not part of a PCD header"),
            (with("DATA ascii", "DATA binary"), ""),
            (ascii()[..60].to_vec(), "no line `DATA`"),
            (binary()[..binary().len() - 1].to_vec(), "cut off"),
            ((HEADER.to_owned() + "binary_compressed\nabc").into_bytes(), "ends before"),
            (compressed(|packed, _| packed.truncate(4)), "holds"),
            (compressed(|packed, _| packed[0] = 255), "damaged"),
            (compressed(|_, size| *size += 1), "promises"),
            (compressed(|_, _| {})[..compressed(|_, _| {}).len() - 1].to_vec(), "compressed bytes"),
            ([b"\xff\xfe", &ascii()[..]].concat(), "not part of a PCD header"),
        ] {
            match decode(&bytes) {
                Err(error) => assert!(error.contains(expected), "{expected}: {error}"),
                // Text read as binary may look like numbers.
                Ok(_) => assert!(expected.is_empty(), "{expected}"),
            }
        }
    }
}
