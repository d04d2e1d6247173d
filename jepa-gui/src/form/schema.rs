//! What a JSON Schema, as `schemars` writes it, says about one value.

use serde_json::Value;

/// A place in a schema.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    root: &'a Value,
    here: &'a Value,
}

/// What kind of value belongs there.
#[derive(Debug, Clone)]
pub enum Kind<'a> {
    /// A table.
    Table(Vec<Property<'a>>),
    /// One of several forms, told apart by a word.
    Choice(Vec<Alternative<'a>>),
    /// A value or nothing.
    Optional(Node<'a>),
    /// A list of values; `fixed` when its length is.
    List {
        /// Of what.
        item: Node<'a>,
        /// Its length, when there is only one.
        fixed: Option<usize>,
    },
    /// A whole number, with the smallest allowed.
    Integer {
        /// The smallest allowed.
        minimum: i64,
    },
    /// A number.
    Number,
    /// Yes or no.
    Flag,
    /// Words.
    Text,
    /// Something this form cannot take apart; edited as text.
    Other,
}

/// A key of a table.
#[derive(Debug, Clone)]
pub struct Property<'a> {
    /// The key.
    pub key: &'a str,
    /// What belongs there.
    pub node: Node<'a>,
    /// What it is for, with unit and source.
    pub help: &'a str,
}

/// One form of a [`Kind::Choice`].
#[derive(Debug, Clone)]
pub struct Alternative<'a> {
    /// Its word.
    pub name: &'a str,
    /// What it means.
    pub help: &'a str,
    /// How it is written.
    pub shape: Shape<'a>,
}

/// How an [`Alternative`] is written.
#[derive(Debug, Clone, Copy)]
pub enum Shape<'a> {
    /// The word alone.
    Word,
    /// A table that holds the word under this key, beside its own keys.
    Tagged(&'a str, Node<'a>),
    /// A table with the word as its only key.
    Keyed(Node<'a>),
}

impl<'a> Node<'a> {
    /// The whole schema.
    pub fn root(schema: &'a Value) -> Self {
        Self { root: schema, here: schema }
    }

    fn to(self, here: &'a Value) -> Self {
        Self { here, ..self }
    }

    /// The place with references followed, as far as they go alone.
    fn resolved(self) -> Self {
        let mut node = self;
        for _ in 0..16 {
            let target = node.here.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
            let Some(target) = target.and_then(|pointer| self.root.pointer(pointer)) else { break };
            node = node.to(target);
        }
        node
    }

    /// What it is for.
    pub fn help(self) -> &'a str {
        let own = self.here.get("description").and_then(Value::as_str);
        own.or_else(|| self.resolved().here.get("description").and_then(Value::as_str)).unwrap_or("")
    }

    /// The default the schema names.
    pub fn default(self) -> Option<&'a Value> {
        self.here.get("default").or_else(|| self.resolved().here.get("default"))
    }

    /// Keys of a table, those of what it refers to included.
    fn properties(self) -> Vec<Property<'a>> {
        let mut found: Vec<Property<'a>> = Vec::new();
        let own = self.here.get("properties").and_then(Value::as_object).into_iter().flatten();
        for (key, here) in own {
            let node = self.to(here);
            found.push(Property { key, node, help: node.help() });
        }
        let parts = self.here.get("allOf").and_then(Value::as_array).into_iter().flatten().map(|part| self.to(part));
        let target = self.here.get("$ref").map(|_| self.resolved());
        for part in parts.chain(target.filter(|node| !std::ptr::eq(node.here, self.here))) {
            found.extend(part.properties());
        }
        found
    }

    /// What kind of value belongs there.
    pub fn kind(self) -> Kind<'a> {
        let node = if self.here.get("properties").is_some() { self } else { self.resolved() };
        let here = node.here;
        for key in ["anyOf", "oneOf"] {
            let Some(options) = here.get(key).and_then(Value::as_array) else { continue };
            let is_null = |option: &&Value| option.get("type").and_then(Value::as_str) == Some("null");
            let others: Vec<&Value> = options.iter().filter(|option| !is_null(option)).collect();
            if let ([only], true) = (others.as_slice(), options.len() == 2) {
                return Kind::Optional(node.to(only));
            }
            let words: Option<Vec<Vec<Alternative<'a>>>> =
                others.iter().map(|option| node.to(option).alternatives()).collect();
            return words.map_or(Kind::Other, |words| Kind::Choice(words.concat()));
        }
        // Outside a choice a table with one key is a table.
        let is_word = |words: &Vec<Alternative<'a>>| words.iter().all(|w| !matches!(w.shape, Shape::Keyed(_)));
        if let Some(words) = node.alternatives().filter(is_word) {
            return Kind::Choice(words);
        }
        let types: Vec<&str> = match here.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let plain = types.iter().copied().find(|t| *t != "null");
        if types.contains(&"null") && plain.is_some() {
            return Kind::Optional(node);
        }
        node.plain(plain)
    }

    /// The kind of an optional value when it is there.
    pub fn inner_kind(self) -> Kind<'a> {
        match self.here.get("type") {
            Some(Value::Array(several)) => self.plain(several.iter().filter_map(Value::as_str).find(|t| *t != "null")),
            _ => self.kind(),
        }
    }

    fn plain(self, name: Option<&str>) -> Kind<'a> {
        let here = self.here;
        match name {
            Some("object") => Kind::Table(self.properties()),
            Some("array") => {
                let bound = |key: &str| here.get(key).and_then(Value::as_u64);
                let fixed = bound("minItems").filter(|n| bound("maxItems") == Some(*n)).map(|n| n as usize);
                let item = here.get("items").or_else(|| here.get("prefixItems").and_then(|items| items.get(0)));
                item.map_or(Kind::Other, |item| Kind::List { item: self.to(item), fixed })
            }
            Some("integer") => {
                let minimum = here.get("minimum").and_then(Value::as_f64).unwrap_or(i64::MIN as f64);
                Kind::Integer { minimum: minimum as i64 }
            }
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Flag,
            Some("string") => Kind::Text,
            _ if here.get("properties").is_some() => Kind::Table(self.properties()),
            _ => Kind::Other,
        }
    }

    /// The words this place stands for, when it does.
    fn alternatives(self) -> Option<Vec<Alternative<'a>>> {
        let here = self.here;
        let help = self.help();
        if let Some(words) = here.get("enum").and_then(Value::as_array) {
            let word = |v: &'a Value| Some(Alternative { name: v.as_str()?, help: "", shape: Shape::Word });
            return words.iter().map(word).collect();
        }
        if let Some(word) = here.get("const").and_then(Value::as_str) {
            return Some(vec![Alternative { name: word, help, shape: Shape::Word }]);
        }
        let properties = here.get("properties").and_then(Value::as_object)?;
        let tag = properties.iter().find_map(|(key, v)| Some((key.as_str(), v.get("const")?.as_str()?)));
        if let Some((tag, word)) = tag {
            return Some(vec![Alternative { name: word, help, shape: Shape::Tagged(tag, self) }]);
        }
        let required = here.get("required").and_then(Value::as_array)?;
        let ([only], 1) = (required.as_slice(), properties.len()) else { return None };
        let (name, inner) = properties.iter().next().filter(|(key, _)| only.as_str() == Some(key))?;
        // A struct with one required key looks the same; only inside a choice is it a word.
        Some(vec![Alternative { name, help, shape: Shape::Keyed(self.to(inner)) }])
    }

    /// A value that fits: the default, or the smallest thing of its kind.
    pub fn sample(self) -> Value {
        if let Some(default) = self.default() {
            return default.clone();
        }
        match self.kind() {
            Kind::Table(properties) => properties
                .into_iter()
                .filter(|p| !matches!(p.node.kind(), Kind::Optional(_)))
                .map(|p| (p.key.to_owned(), p.node.sample()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
            Kind::Choice(words) => words.first().map_or(Value::Null, Alternative::sample),
            Kind::Optional(_) | Kind::Other => Value::Null,
            Kind::List { item, fixed } => (0..fixed.unwrap_or(0)).map(|_| item.inner_sample()).collect(),
            Kind::Integer { minimum } => minimum.max(0).into(),
            Kind::Number => 0.0.into(),
            Kind::Flag => false.into(),
            Kind::Text => "".into(),
        }
    }

    /// A value that fits an optional place when something is there.
    pub fn inner_sample(self) -> Value {
        match self.inner_kind() {
            Kind::Integer { minimum } => minimum.max(1).into(),
            Kind::Number => 0.0.into(),
            _ => self.sample(),
        }
    }
}

impl Alternative<'_> {
    /// A value of this form.
    pub fn sample(&self) -> Value {
        match self.shape {
            Shape::Word => self.name.into(),
            Shape::Keyed(inner) => serde_json::json!({ self.name: inner.sample() }),
            Shape::Tagged(tag, node) => {
                let mut table = serde_json::Map::from_iter([(tag.to_owned(), self.name.into())]);
                for p in node.properties().into_iter().filter(|p| p.key != tag) {
                    if !matches!(p.node.kind(), Kind::Optional(_)) {
                        table.insert(p.key.to_owned(), p.node.sample());
                    }
                }
                table.into()
            }
        }
    }

    /// Whether a value has this form.
    pub fn fits(&self, value: &Value) -> bool {
        match self.shape {
            Shape::Word => value.as_str() == Some(self.name),
            Shape::Tagged(tag, _) => value.get(tag).and_then(Value::as_str) == Some(self.name),
            Shape::Keyed(_) => value.as_object().is_some_and(|o| o.len() == 1 && o.contains_key(self.name)),
        }
    }

    /// Its keys beside the word.
    pub fn properties(&self) -> Vec<Property<'_>> {
        match self.shape {
            Shape::Word => Vec::new(),
            Shape::Tagged(tag, node) => node.properties().into_iter().filter(|p| p.key != tag).collect(),
            Shape::Keyed(inner) => match inner.kind() {
                Kind::Table(properties) => properties,
                _ => Vec::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Serialize;

    /// How fast.
    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    #[allow(dead_code)]
    enum Law {
        /// Every step.
        Step,
        /// Now and then.
        Epoch {
            /// Steps of an epoch.
            steps: u64,
        },
    }

    #[derive(Serialize, JsonSchema)]
    #[serde(rename_all = "kebab-case", tag = "kind")]
    #[allow(dead_code)]
    enum Mask {
        /// Nothing to set.
        Plain,
        /// With its own table.
        Block(Block),
        /// With keys.
        Ratio { share: f64 },
    }

    #[derive(Serialize, JsonSchema)]
    #[allow(dead_code)]
    struct Block {
        /// Blocks.
        count: usize,
        scale: [f64; 2],
    }

    /// All there is.
    #[derive(Serialize, JsonSchema)]
    #[allow(dead_code)]
    struct Config {
        /// The rate.
        rate: f64,
        steps: u32,
        clip: Option<f64>,
        law: Law,
        mask: Mask,
        list: Vec<Mask>,
        name: String,
        flip: bool,
        maybe: Option<Block>,
    }

    fn key<'a>(node: Node<'a>, name: &str) -> Node<'a> {
        let Kind::Table(properties) = node.kind() else { panic!("not a table: {:?}", node.kind()) };
        properties.into_iter().find(|p| p.key == name).unwrap().node
    }

    #[test]
    fn every_kind_of_value_is_recognised_with_its_help() {
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        let root = Node::root(&schema);
        assert_eq!(key(root, "rate").help(), "The rate.");
        assert!(matches!(key(root, "rate").kind(), Kind::Number));
        assert!(matches!(key(root, "steps").kind(), Kind::Integer { minimum: 0 }));
        assert!(matches!(key(root, "name").kind(), Kind::Text));
        assert!(matches!(key(root, "flip").kind(), Kind::Flag));
        let Kind::Optional(inner) = key(root, "clip").kind() else { panic!("{:?}", key(root, "clip").kind()) };
        assert!(matches!(inner.inner_kind(), Kind::Number));
        let Kind::Optional(inner) = key(root, "maybe").kind() else { panic!() };
        assert!(matches!(inner.inner_kind(), Kind::Table(p) if p.len() == 2));
        let Kind::List { item, fixed: None } = key(root, "list").kind() else { panic!() };
        assert!(matches!(item.kind(), Kind::Choice(words) if words.len() == 3));

        let Kind::Choice(laws) = key(root, "law").kind() else { panic!("{:?}", key(root, "law").kind()) };
        assert_eq!(
            laws.iter().map(|l| (l.name, l.help)).collect::<Vec<_>>(),
            [("step", "Every step."), ("epoch", "Now and then.")]
        );
        assert_eq!(laws[1].sample(), serde_json::json!({"epoch": {"steps": 0}}));
        assert_eq!(laws[1].properties()[0].help, "Steps of an epoch.");
        let Kind::Choice(masks) = key(root, "mask").kind() else { panic!("{:?}", key(root, "mask").kind()) };
        let samples: Vec<Value> = masks.iter().map(Alternative::sample).collect();
        assert_eq!(
            samples,
            [
                serde_json::json!({"kind": "plain"}),
                serde_json::json!({"kind": "block", "count": 0, "scale": [0.0, 0.0]}),
                serde_json::json!({"kind": "ratio", "share": 0.0}),
            ]
        );
        for (i, sample) in samples.iter().enumerate() {
            assert_eq!(masks.iter().position(|m| m.fits(sample)), Some(i));
        }
    }
}
