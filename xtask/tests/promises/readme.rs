//! The README says what the registry says.

use jepa_core::plugin::{Table, variants};
use jepa_image as _;
use jepa_motion as _;
use jepa_point as _;
use jepa_skeleton as _;
use jepa_video as _;

#[test]
fn the_readmes_table_of_variants_is_the_registrys() {
    let readme = include_str!("../../../README.md");
    let start = readme.find("<!-- cargo xtask variants --markdown -->\n").unwrap();
    let end = readme.find("<!-- end -->").unwrap();
    let table = readme[start..end].split_once('\n').unwrap().1;
    assert_eq!(table, Table(variants().unwrap()).to_string(), "run: cargo xtask variants --markdown");
}

#[test]
fn every_file_that_the_readme_links_to_is_there() {
    let readme = include_str!("../../../README.md");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let local: Vec<&str> = links.filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(local.len() > 20, "{local:?}");
    let missing: Vec<&&str> = local.iter().filter(|link| !root.join(link).exists()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
