//! A run opened for inspection says what its features say, and answers masks of one's own.

use jepa_core::data::Split;
use jepa_core::device::Engine;
use jepa_core::error::Error;
use jepa_core::host;
use jepa_core::plugin::{self, InspectRequest, Settings, TokenSets, TrainRequest, Weights};
use jepa_core::probe::{Frozen, Network};
use jepa_core::runlog::Silent;
use jepa_image::variants::i_jepa::IJepa;

use burn::prelude::*;

#[test]
fn a_run_opened_for_inspection_has_the_features_of_its_checkpoint_and_errors_at_hidden_tokens_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("run");
    let plugin = plugin::find("i-jepa").unwrap();
    let settings = Settings { preset: Some("tiny".into()), steps: Some(2), ..Settings::default() };
    let request = TrainRequest::new(settings.clone(), &path);
    plugin.train(&request, &mut Silent).unwrap();
    let open = |weights| {
        let request = InspectRequest { weights, data: None, split: Split::Train, engine: Engine::cpu() };
        plugin.inspect(&request).unwrap()
    };
    let trained = open(Weights::Trained(path.clone()));
    assert_eq!((trained.about().step, trained.about().distance.as_str()), (Some(2), "smooth-l1"));

    let frozen = Frozen::<IJepa>::open(&path, Engine::cpu()).unwrap();
    let sample = frozen.open_data("builtin", Split::Train).unwrap().read(3).unwrap();
    let ([_, tokens, width], features) = frozen.tokens(&[sample]).unwrap();
    let look = trained.look(3, Network::Target).unwrap();
    let [block, last] = &look.layers[look.layers.len() - 2..] else { panic!("blocks and features") };
    assert_eq!((last.tokens(), last.width, &last.values), (tokens, width, &features));
    let before = Tensor::from_data(TensorData::new(block.values.clone(), [1, tokens, width]), &Device::flex());
    assert_eq!(host::read(frozen.encoder().norm.forward(before)).unwrap(), features, "the norm of the last block");
    assert_ne!(trained.look(3, Network::Student).unwrap().layers.last().unwrap().values, features);

    let untrained = open(Weights::Untrained(Box::new(settings)));
    assert_eq!(untrained.about().step, None);
    assert_ne!(untrained.look(3, Network::Target).unwrap().layers.last().unwrap().values, features);

    let masks = TokenSets { context: vec![vec![0, 1, 4]], target: vec![vec![10, 11]] };
    let found = trained.what_if(3, std::slice::from_ref(&masks)).unwrap().generators.remove(0);
    assert_eq!(found.tokens.iter().filter(|error| error.is_finite()).count(), 2);
    let mean = f64::from(found.tokens[10] + found.tokens[11]) / 2.0;
    assert!((found.mean - mean).abs() < 1e-6 && found.mean > 0.0);
    assert_ne!(untrained.what_if(3, &[masks]).unwrap().generators[0], found);
    assert_eq!(trained.own_masks(3, 5).unwrap(), trained.own_masks(3, 5).unwrap());
    assert_ne!(trained.own_masks(3, 5).unwrap(), trained.own_masks(3, 6).unwrap());

    // What cannot be is said, not a crash.
    let empty = TokenSets { context: vec![vec![]], target: vec![vec![1]] };
    assert!(matches!(trained.what_if(3, &[empty]), Err(Error::Config { .. })));
    assert!(matches!(look.heads(look.attention.len()), Err(Error::NotOffered { .. })));
    assert!(trained.look(1 << 40, Network::Target).is_err());
}
