//! Attentive classifiers: official probes, and pooler and classifier of `VJEPA2ForVideoClassification`.

use jepa_core::checkpoint::{Foreign, Named};
use jepa_core::error::{Error, KeyReport, Result};
use serde_json::Value;

use super::names::{Names, Parts};
use super::{depth, ratio, shape};
use crate::network::ClassifierConfig;

const NAMES: Names = Names {
    root: Parts {
        single: &[
            ("pooler.cross_attention_block.norm1", "pooler.cross_attention_layer.layer_norm1"),
            ("pooler.cross_attention_block.xattn.q", "pooler.cross_attention_layer.cross_attn.q_proj"),
            ("pooler.cross_attention_block.norm2", "pooler.cross_attention_layer.layer_norm2"),
            ("pooler.cross_attention_block.mlp.fc1", "pooler.cross_attention_layer.mlp.fc1"),
            ("pooler.cross_attention_block.mlp.fc2", "pooler.cross_attention_layer.mlp.fc2"),
            ("linear", "classifier"),
        ],
        fused: &[(
            "pooler.cross_attention_block.xattn.kv",
            &["pooler.cross_attention_layer.cross_attn.k_proj", "pooler.cross_attention_layer.cross_attn.v_proj"],
        )],
    },
    blocks: ["pooler.blocks", "pooler.self_attention_layers"],
    block: Parts {
        single: &[
            ("norm1", "layer_norm1"),
            ("attn.proj", "self_attn.out_proj"),
            ("norm2", "layer_norm2"),
            ("mlp.fc1", "mlp.fc1"),
            ("mlp.fc2", "mlp.fc2"),
        ],
        fused: &[("attn.qkv", &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"])],
    },
};
/// The same here and there, and no map.
const QUERY: &str = "pooler.query_tokens";
/// What names of official probes begin with; each has a number.
pub(super) const OFFICIAL: &str = "classifiers.";
/// Heads of the official probes.
const HEADS: usize = 16;

/// Pooler and classifier out of a folder of `transformers`, in our names.
pub(super) fn take(theirs: &mut Named, report: &mut KeyReport) -> Named {
    let mut ours = NAMES.take(theirs, report);
    ours.extend(theirs.remove_entry(QUERY));
    ours
}

/// Adds a classifier in `transformers`' names.
pub(super) fn give(ours: &Named, theirs: &mut Named) -> Result<()> {
    let mut maps = ours.clone();
    theirs.extend(maps.remove_entry(QUERY));
    NAMES.give(&maps, theirs)
}

/// The probe that an official evaluation saved, where its entries stand among those of a checkpoint. Several heads are
/// trained there at once: one is chosen.
pub(super) fn official(foreign: &Foreign) -> Result<Option<Named>> {
    let number = |name: &String| name.strip_prefix(OFFICIAL)?.split_once('.').map(|(number, _)| number.to_owned());
    let mut numbers: Vec<String> = foreign.tensors.keys().filter_map(number).collect();
    numbers.dedup();
    match numbers.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(foreign.below(&format!("{OFFICIAL}{one}")))),
        several => {
            let problem = format!(
                "holds {} classifiers: leave all but one out, as in --ignore {OFFICIAL}{}.",
                several.len(),
                several[1]
            );
            Err(Error::format(&foreign.origin, problem))
        }
    }
}

/// What a classifier is made of, from names and shapes, and from the `config.json` beside those of `transformers`; its
/// encoder is `width` wide with `heads`.
pub(super) fn config(
    tensors: &Named,
    foreign: &Foreign,
    [width, heads]: [usize; 2],
    hugging_face: bool,
) -> Result<ClassifierConfig> {
    let origin = foreign.origin.as_str();
    let rows = |name: &str| Ok::<_, Error>(shape(tensors, name, origin)?.first().copied().unwrap_or(0));
    let count = rows("linear.weight")?;
    let hidden = rows("pooler.cross_attention_block.mlp.fc1.weight")?;
    let classes = match foreign.config.as_ref().and_then(|config| config.get("id2label")?.as_object()) {
        None => (0..count).map(|class| class.to_string()).collect(),
        Some(names) => {
            let name = |class: usize| names.get(&class.to_string()).and_then(Value::as_str).map(str::to_owned);
            let found: Vec<String> = (0..count).map_while(name).collect();
            if found.len() != count || names.len() != count {
                let problem = format!("id2label names {} classes, the classifier has {count}", names.len());
                return Err(Error::format(origin, problem));
            }
            found
        }
    };
    Ok(ClassifierConfig {
        blocks: depth(tensors, "pooler.blocks"),
        heads: if hugging_face { heads } else { foreign.heads.unwrap_or(HEADS) },
        mlp_ratio: ratio(hidden, width),
        eps: if hugging_face { super::number(foreign, "layer_norm_eps").unwrap_or(1e-6) } else { 1e-5 },
        reads: Vec::new(),
        classes,
    })
}
