//! What was changed, as assignments that a command line takes.

use serde_json::Value;

/// `path` and TOML value for everything in `now` that differs from `preset`. What a preset has and `now` has not cannot
/// be said on a command line and is left out.
pub fn assignments(preset: &Value, now: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    walk("", preset, now, &mut found);
    found
}

fn walk(path: &str, preset: &Value, now: &Value, found: &mut Vec<(String, String)>) {
    if preset == now {
        return;
    }
    if let (Value::Object(before), Value::Object(after)) = (preset, now)
        && !is_other_choice(preset, now)
    {
        for (key, value) in after {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match before.get(key) {
                Some(old) => walk(&path, old, value, found),
                None => found.extend(literal(value).map(|text| (path, text))),
            }
        }
        return;
    }
    found.extend(literal(now).map(|text| (path.to_owned(), text)));
}

/// A choice that changed its word is replaced whole: the keys of the old one belong to it alone.
fn is_other_choice(before: &Value, after: &Value) -> bool {
    let word = |v: &Value, tag: &str| v.get(tag).and_then(Value::as_str).map(str::to_owned);
    let tagged = ["kind", "law"].iter().any(|tag| {
        let (old, new) = (word(before, tag), word(after, tag));
        old.is_some() && new.is_some() && old != new
    });
    let keys = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let (old, new) = (keys(before), keys(after));
    tagged || (old.len() == 1 && new.len() == 1 && old != new)
}

/// A value as TOML on one line; nothing for an absent one.
pub fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => format!("{float:?}"),
            None => number.to_string(),
        },
        // JSON's escapes are a part of TOML's.
        Value::String(text) => serde_json::to_string(text).ok()?,
        Value::Array(items) => format!("[{}]", items.iter().filter_map(literal).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs: Vec<String> = table.iter().filter_map(|(k, v)| Some(format!("{k} = {}", literal(v)?))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_said_and_the_trainer_reads_it_as_meant() {
        let preset = json!({
            "run": {"steps": 100, "batch": 8}, "lr": 0.001, "law": "step",
            "masks": {"kind": "a", "share": 0.5}, "scale": [0.1, 0.2], "list": [{"kind": "x"}], "name": "n",
        });
        let mut now = preset.clone();
        assert!(assignments(&preset, &now).is_empty());
        now["run"]["steps"] = json!(200);
        now["lr"] = json!(2e-7);
        now["law"] = json!({"epoch": {"steps": 5}});
        now["masks"] = json!({"kind": "b", "count": 4});
        now["scale"] = json!([0.1, 0.3]);
        now["list"] = json!([]);
        now["name"] = json!("say \"hi\"");
        now["clip"] = json!(1.0);
        let found = assignments(&preset, &now);
        assert!(found.contains(&("run.steps".into(), "200".into())) && found.len() == 8, "{found:?}");
        let mut table = toml::Table::try_from(&preset).unwrap();
        for (path, value) in &found {
            jepa_core::train::config::set(&mut table, &format!("{path}={value}")).unwrap();
        }
        assert_eq!(serde_json::to_value(table).unwrap(), now);
    }
}
