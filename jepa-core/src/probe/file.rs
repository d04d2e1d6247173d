//! Features as files for other programs.

use std::collections::HashMap;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};

use super::Features;
use crate::error::{Error, Result};
use crate::runlog::write;

const KNOWN: [&str; 3] = ["safetensors", "npz", "tsv"];

/// Whether [`write_features`] knows the kind of file that a name asks for.
pub fn check_features_file(path: &Path) -> Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if KNOWN.contains(&extension) { Ok(()) } else { Err(Error::unknown("file extension", extension, &KNOWN)) }
}

/// Writes features, labels (-1 where unknown), source indices and the names of the classes as `.safetensors` (names as a
/// list in JSON under `classes` of the metadata) or `.npz` (an array `classes`, where there are any), or as two `.tsv` files
/// for the TensorBoard projector: the vectors, and `<name>.metadata.tsv` with the classes. Returns the files written.
pub fn write_features(features: &Features, path: &Path) -> Result<Vec<PathBuf>> {
    check_features_file(path)?;
    let rows = features.len();
    let labels: Vec<i64> = features.labels.iter().map(|l| l.map_or(-1, i64::from)).collect();
    let indices: Vec<i64> = features.indices.iter().map(|i| *i as i64).collect();
    let failed = |e: String| Error::Engine(format!("encoding features failed: {e}"));
    match path.extension().and_then(|e| e.to_str()) {
        Some("safetensors") => {
            let values: Vec<u8> = features.values().iter().flat_map(|v| v.to_le_bytes()).collect();
            let bytes = |v: &[i64]| -> Vec<u8> { v.iter().flat_map(|v| v.to_le_bytes()).collect() };
            let (labels, indices) = (bytes(&labels), bytes(&indices));
            let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).map_err(|e| failed(e.to_string()));
            let tensors = [
                ("features", view(Dtype::F32, vec![rows, features.width()], &values)?),
                ("labels", view(Dtype::I64, vec![rows], &labels)?),
                ("indices", view(Dtype::I64, vec![rows], &indices)?),
            ];
            let names = serde_json::to_string(&features.classes).map_err(|e| failed(e.to_string()))?;
            let metadata = HashMap::from([("classes".to_owned(), names)]);
            let bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|e| failed(e.to_string()))?;
            write(path, &bytes)?;
            Ok(vec![path.to_owned()])
        }
        Some("npz") => {
            let bytes = npz(features, &labels, &indices).map_err(|e| failed(e.to_string()))?;
            write(path, &bytes)?;
            Ok(vec![path.to_owned()])
        }
        _ => {
            let mut vectors = Vec::new();
            let mut metadata = String::from("label\tindex\n");
            for row in 0..rows {
                let line: Vec<String> = features.row(row).iter().map(f32::to_string).collect();
                vectors.extend_from_slice(line.join("\t").as_bytes());
                vectors.push(b'\n');
                let label = features.labels[row];
                let name = label.and_then(|l| features.classes.get(l as usize));
                let label = name.cloned().or(label.map(|l| l.to_string())).unwrap_or_default();
                metadata.push_str(&format!("{}\t{}\n", label.replace(['\t', '\n'], " "), features.indices[row]));
            }
            let beside = path.with_extension("metadata.tsv");
            write(path, &vectors)?;
            write(&beside, metadata.as_bytes())?;
            Ok(vec![path.to_owned(), beside])
        }
    }
}

/// An .npz file: a zip archive of one .npy file an array.
fn npz(features: &Features, labels: &[i64], indices: &[i64]) -> std::io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let rows = features.len() as u64;
    array(&mut archive, "features", &[rows, features.width() as u64], features.values())?;
    array(&mut archive, "labels", &[rows], labels)?;
    array(&mut archive, "indices", &[rows], indices)?;
    if !features.classes.is_empty() {
        archive.start_file("classes.npy", stored())?;
        archive.write_all(&texts(&features.classes))?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Stored, not deflated: floats shrink by a tenth and take a hundred times as long.
fn stored() -> zip::write::SimpleFileOptions {
    zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored)
}

/// An .npy file of texts as NumPy keeps them: of one length, four bytes a character, zeros behind the shorter ones.
fn texts(texts: &[String]) -> Vec<u8> {
    let length = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
    let header = format!("{{'descr': '<U{length}', 'fortran_order': False, 'shape': ({},), }}", texts.len());
    // Magic, version and length of the header take ten bytes; what follows begins at a multiple of 64.
    let padded = (header.len() + 11).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = padded - 1).into_bytes());
    for text in texts {
        let characters = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(length);
        bytes.extend(characters.flat_map(u32::to_le_bytes));
    }
    bytes
}

fn array<T: npyz::AutoSerialize + Copy>(
    archive: &mut zip::ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: &[T],
) -> std::io::Result<()> {
    use npyz::WriterBuilder as _;
    archive.start_file(format!("{name}.npy"), stored())?;
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(archive).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_back_from_every_kind_of_file() {
        let classes = vec!["a".to_owned(), "Blüte 花".to_owned()];
        let features =
            Features::new(vec![1.0, 2.0, 3.0, 4.0], vec![Some(1), None], vec![7, 9], classes.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write_features(&features, &at("f.safetensors")).unwrap();
        let bytes = std::fs::read(at("f.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("features").unwrap().shape(), [2, 2]);
        let (_, about) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let names: Vec<String> = serde_json::from_str(&about.metadata().as_ref().unwrap()["classes"]).unwrap();
        assert_eq!(names, classes);
        write_features(&features, &at("f.npz")).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(at("f.npz")).unwrap()).unwrap();
        let array = npyz::NpyFile::new(archive.by_name("features.npy").unwrap()).unwrap();
        assert_eq!(array.shape(), [2, 2]);
        let values: Vec<f32> = array.into_vec().unwrap();
        assert_eq!(values, features.values());
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut archive.by_name("classes.npy").unwrap(), &mut raw).unwrap();
        let array = npyz::NpyFile::new(&raw[..]).unwrap();
        let npyz::DType::Plain(kind) = array.dtype() else { panic!("one kind of value") };
        assert_eq!((array.shape(), kind.to_string().as_str()), (&[2][..], "<U7"));
        assert_eq!((raw.len() - 2 * 7 * 4) % 64, 0, "data begin at a multiple of 64 bytes");
        let characters =
            raw[raw.len() - 2 * 7 * 4..].chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap()));
        let text: String = characters.filter(|c| *c > 0).map(|c| char::from_u32(c).unwrap()).collect();
        assert_eq!(text, classes.concat());
        let files = write_features(&features, &at("f.tsv")).unwrap();
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "1\t2\n3\t4\n");
        assert_eq!(std::fs::read_to_string(&files[1]).unwrap(), "label\tindex\nBlüte 花\t7\n\t9\n");
        assert!(write_features(&features, &at("f.csv")).unwrap_err().to_string().contains("tsv"));
    }
}
