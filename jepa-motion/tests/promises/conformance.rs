//! MC-JEPA is held to the promises of every variant.

use jepa_motion as _;

#[test]
fn mc_jepa_keeps_every_promise_of_the_conformance_suite() {
    for promise in jepa_core::plugin::find("mc-jepa").unwrap().conformance().unwrap() {
        println!("{promise}");
    }
}
