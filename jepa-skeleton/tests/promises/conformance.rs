//! S-JEPA is held to the promises of every variant.

use jepa_skeleton as _;

#[test]
fn s_jepa_keeps_every_promise_of_the_conformance_suite() {
    for promise in jepa_core::plugin::find("s-jepa").unwrap().conformance().unwrap() {
        println!("{promise}");
    }
}
