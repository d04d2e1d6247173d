//! Point-JEPA is held to the promises of every variant.

use jepa_point as _;

#[test]
fn point_jepa_keeps_every_promise_of_the_conformance_suite() {
    for promise in jepa_core::plugin::find("point-jepa").unwrap().conformance().unwrap() {
        println!("{promise}");
    }
}
