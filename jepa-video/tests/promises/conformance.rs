//! All variants are held to the promises of every variant.

use jepa_video as _;

fn keeps_every_promise(variant: &str) {
    for promise in jepa_core::plugin::find(variant).unwrap().conformance().unwrap() {
        println!("{promise}");
    }
}

#[test]
fn v_jepa_keeps_every_promise_of_the_conformance_suite() {
    keeps_every_promise("v-jepa");
}

#[test]
fn v_jepa_2_keeps_every_promise_of_the_conformance_suite() {
    keeps_every_promise("v-jepa-2");
}

#[test]
fn pldm_keeps_every_promise_of_the_conformance_suite() {
    keeps_every_promise("pldm");
}

#[test]
fn v_jepa_2_ac_keeps_every_promise_of_the_conformance_suite() {
    keeps_every_promise("v-jepa-2-ac");
}

#[test]
fn h_jepa_keeps_every_promise_of_the_conformance_suite() {
    keeps_every_promise("h-jepa");
}
