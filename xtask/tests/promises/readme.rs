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
