//! Features as files for other programs.

use std::io::Cursor;
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

/// Writes features, labels (-1 where unknown) and source indices as `.safetensors` or `.npz`, or as two `.tsv` files for
/// the TensorBoard projector: the vectors, and `<name>.metadata.tsv` with the classes. Returns the files written.
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
            let bytes = safetensors::serialize(tensors, None).map_err(|e| failed(e.to_string()))?;
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
    Ok(archive.finish()?.into_inner())
}

fn array<T: npyz::AutoSerialize + Copy>(
    archive: &mut zip::ZipWriter<Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: &[T],
) -> std::io::Result<()> {
    use npyz::WriterBuilder as _;
    // Stored, not deflated: floats shrink by a tenth and take a hundred times as long.
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file(format!("{name}.npy"), options)?;
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(archive).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_come_back_from_every_kind_of_file() {
        let features =
            Features::new(vec![1.0, 2.0, 3.0, 4.0], vec![Some(1), None], vec![7, 9], vec!["a".into(), "b".into()])
                .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write_features(&features, &at("f.safetensors")).unwrap();
        let bytes = std::fs::read(at("f.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("features").unwrap().shape(), [2, 2]);
        write_features(&features, &at("f.npz")).unwrap();
        let mut archive = zip::ZipArchive::new(std::fs::File::open(at("f.npz")).unwrap()).unwrap();
        let array = npyz::NpyFile::new(archive.by_name("features.npy").unwrap()).unwrap();
        assert_eq!(array.shape(), [2, 2]);
        let values: Vec<f32> = array.into_vec().unwrap();
        assert_eq!(values, features.values());
        let files = write_features(&features, &at("f.tsv")).unwrap();
        assert_eq!(std::fs::read_to_string(&files[0]).unwrap(), "1\t2\n3\t4\n");
        assert_eq!(std::fs::read_to_string(&files[1]).unwrap(), "label\tindex\nb\t7\n\t9\n");
        assert!(write_features(&features, &at("f.csv")).unwrap_err().to_string().contains("tsv"));
    }
}
