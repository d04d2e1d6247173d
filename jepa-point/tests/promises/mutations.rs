//! Damaged files never make a reader panic, hang or fill the memory: 5,000 seeded mutations of a small file of every
//! format.

use std::path::Path;
use std::time::Duration;

use jepa_core::damage::{Counting, Limits};
use jepa_core::random::{Purpose, Stream};
use jepa_point::data::{EXTENSIONS, Shape};

#[global_allocator]
static COUNTING: Counting = Counting;

/// For files that are smaller than 2 kB.
const LIMITS: Limits = Limits { mutations: 5000, memory: 4 << 20, time: Duration::from_secs(1), refused: 0.2 };

const OFF: &str = "COFF\n# a square\n4 2 5\n0 0 1 9 9 9\n1 0 1\n1 1 1\n0 1 1\n4 0 1 2 3\n3 0 1 2 255 0 0\n";
const OBJ: &str = "# a square\nv 0 0 1\nv 1 0 1\nv 1 1 1\nv 0 1 1\nf 1/1/1 2//1 3 4\nf -4 -3 \\\n-2\n";
const STL: &str = "solid a\nfacet normal 0 0 1\nouter loop\nvertex 0 0 1\nvertex 1 0 1\nvertex 1 1 1\nendloop\nendfacet\n\
                   endsolid a\n";
const VRML: &str = "#VRML V2.0 utf8\nTransform { translation 1 2 3 rotation 0 0 1 0.5 scale 2 2 2 children [ DEF A Shape \
                    { geometry IndexedFaceSet { coord Coordinate { point [ 0 0 1, 1 0 1, 1 1 1, 0 1 1 ] } coordIndex [ \
                    0,1,2,3,-1 ] } } USE A ] }\n";
const XYZ: &str = "x,y,z,label\n0,0,1,3\n1,0,1,3\n1,1,1,4\n0,1,1.5e0,4\n";
const PLY: &str = "ply\nformat FORMAT 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty double z\n\
                   element face 1\nproperty list uchar int vertex_indices\nend_header\n";
const PCD: &str = "VERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\nWIDTH 2\nHEIGHT 1\n\
                   POINTS 2\nDATA ";

fn ply(format: &str) -> Vec<u8> {
    let mut bytes = PLY.replace("FORMAT", format).into_bytes();
    let big = format.contains("big");
    if format == "ascii" {
        bytes.extend(b"0 0 1\n1 0 1\n1 1 1\n3 0 1 2\n");
        return bytes;
    }
    for [x, y] in [[0f32, 0.0], [1.0, 0.0], [1.0, 1.0]] {
        for value in [x, y] {
            bytes.extend(if big { value.to_be_bytes() } else { value.to_le_bytes() });
        }
        bytes.extend(if big { 1f64.to_be_bytes() } else { 1f64.to_le_bytes() });
    }
    bytes.push(3);
    for index in 0..3i32 {
        bytes.extend(if big { index.to_be_bytes() } else { index.to_le_bytes() });
    }
    bytes
}

fn pcd(data: &str) -> Vec<u8> {
    let mut bytes = (PCD.to_owned() + data + "\n").into_bytes();
    // Both points are equal, so that rows and columns read alike.
    let values: Vec<u8> = [1f32; 8].iter().flat_map(|v| v.to_le_bytes()).collect();
    match data {
        "ascii" => bytes.extend(b"1 2 3 4\n5 6 7 8\n"),
        "binary" => bytes.extend(values),
        _ => {
            // One literal of 4 bytes, then one copy of 28 from 4 back.
            let packed = [&[3], &values[..4], &[7 << 5, 19, 3]].concat();
            bytes.extend((packed.len() as u32).to_le_bytes());
            bytes.extend(32u32.to_le_bytes());
            bytes.extend(packed);
        }
    }
    bytes
}

fn npy() -> Vec<u8> {
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), }   \n";
    let mut bytes = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    bytes.extend((0..12).flat_map(|i| (i as f32).to_le_bytes()));
    bytes
}

fn stl() -> Vec<u8> {
    let mut bytes = vec![b' '; 80];
    bytes.extend(2u32.to_le_bytes());
    for _ in 0..2 {
        bytes.extend([0f32, 0., 1., 0., 0., 1., 1., 0., 1., 1., 1., 1.].iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend([0, 0]);
    }
    bytes
}

#[test]
fn damaged_files_never_make_a_reader_panic_hang_or_fill_the_memory() {
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("ascii.ply", ply("ascii")),
        ("little.ply", ply("binary_little_endian")),
        ("big.ply", ply("binary_big_endian")),
        ("a.off", OFF.into()),
        ("a.obj", OBJ.into()),
        ("ascii.stl", STL.into()),
        ("binary.stl", stl()),
        ("a.wrl", VRML.into()),
        ("a.xyz", XYZ.into()),
        ("a.txt", XYZ.replace(',', " ").into()),
        ("a.pts", "4\n0 0 1\n1 0 1\n1 1 1\n0 1 1\n".into()),
        ("a.csv", XYZ.replace(',', ";").into()),
        ("a.npy", npy()),
        ("ascii.pcd", pcd("ascii")),
        ("binary.pcd", pcd("binary")),
        ("compressed.pcd", pcd("binary_compressed")),
    ];
    for extension in EXTENSIONS {
        assert!(cases.iter().any(|(name, _)| name.ends_with(extension)), "{extension} is not tested");
    }
    for (name, good) in &cases {
        // Everything a run would do with the file: read it and draw points.
        let read = |bytes: &[u8]| {
            let shape = Shape::decode(Path::new(name), bytes);
            let cloud = shape.and_then(|shape| shape.cloud(64, &mut Stream::new(1, Purpose::Test, 0, 0)));
            let blames = |text: String| text.contains(name) || text.contains("mesh");
            cloud.inspect_err(|error| assert!(blames(error.to_string()), "{error}")).map(drop)
        };
        LIMITS.withstood(name, good, read).unwrap();
    }
}
