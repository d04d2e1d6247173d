//! Every variant of this crate keeps every promise.

use jepa_image as _;

#[test]
fn every_variant_keeps_every_promise_of_the_conformance_suite() {
    for id in ["i-jepa", "c-jepa"] {
        let kept = jepa_core::plugin::find(id).unwrap().conformance().unwrap();
        assert_eq!(kept.len(), 10, "{id}: {kept:#?}");
    }
}
