//! Every variant of this crate keeps every promise.

use jepa_image as _;

use jepa_core::plugin::find;

#[allow(clippy::unwrap_used)]
fn keeps(ids: &[&str]) {
    for id in ids {
        let kept = find(id).unwrap().conformance().unwrap();
        assert_eq!(kept.len(), 10, "{id}: {kept:#?}");
    }
}

#[test]
fn masked_variants_keep_every_promise_of_the_conformance_suite() {
    keeps(&["i-jepa", "c-jepa"]);
}

#[test]
fn two_view_variants_keep_every_promise_of_the_conformance_suite() {
    keeps(&["vicreg", "barlow-twins", "lejepa"]);
}

#[test]
fn comparisons_keep_every_promise_of_the_conformance_suite() {
    keeps(&["mae", "autoencoder", "simclr", "byol", "moco", "dino"]);
}
