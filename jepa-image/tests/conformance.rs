//! Every variant of this crate keeps every promise.

use jepa_image as _;

#[test]
fn i_jepa_keeps_every_promise_of_the_conformance_suite() {
    let kept = jepa_core::plugin::find("i-jepa").unwrap().conformance().unwrap();
    assert_eq!(kept.len(), 9, "{kept:#?}");
}
