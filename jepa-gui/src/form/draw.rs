//! The form on the screen: one row a value, what was changed in bold with a way back.

use egui::{DragValue, Label, RichText, Ui};
use serde_json::Value;

use super::schema::{Alternative, Kind, Node, Property};
use super::{Form, at};
use crate::theme::Theme;

/// Which rows are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Rows whose key or help holds this, whatever the case.
    pub text: String,
    /// Rows that differ from the preset.
    pub changed: bool,
}

/// Points across for keys.
const KEYS: f32 = 190.0;
/// Points across for a value.
const VALUES: f32 = 150.0;

/// Draws the whole form. Returns whether anything was changed.
pub fn draw(ui: &mut Ui, form: &mut Form, filter: &Filter) -> bool {
    let Form { schema, preset, value } = form;
    let before = value.clone();
    let page = Page { theme: Theme::of(ui.ctx()), preset, filter, searching: !filter.text.trim().is_empty() };
    if let Kind::Table(properties) = Node::root(schema).kind() {
        page.table(ui, "", &properties, value, false);
    }
    *value != before
}

struct Page<'a> {
    theme: Theme,
    preset: &'a Value,
    filter: &'a Filter,
    searching: bool,
}

impl Page<'_> {
    fn table(&self, ui: &mut Ui, path: &str, properties: &[Property<'_>], value: &mut Value, all: bool) {
        let Some(table) = value.as_object_mut() else { return };
        // Plain values first, so that a table reads from the general to the special.
        let (sections, rows): (Vec<_>, Vec<_>) = properties.iter().partition(|p| is_section(p.node, table.get(p.key)));
        for property in rows.into_iter().chain(sections) {
            let path = if path.is_empty() { property.key.to_owned() } else { format!("{path}.{}", property.key) };
            let mut inner = table.get(property.key).cloned().unwrap_or(Value::Null);
            let all = all || self.says(&path, property.help);
            if !self.shows(&path, property.node, &inner, all) {
                continue;
            }
            let before = inner.clone();
            self.value(ui, &path, property, &mut inner, all);
            if inner != before {
                match inner {
                    Value::Null => drop(table.remove(property.key)),
                    inner => drop(table.insert(property.key.to_owned(), inner)),
                }
            }
        }
    }

    /// One value: a row, or a section of rows.
    fn value(&self, ui: &mut Ui, path: &str, property: &Property<'_>, value: &mut Value, all: bool) {
        let (node, help) = (property.node, property.help);
        match node.kind() {
            Kind::Table(properties) => {
                self.section(ui, path, property, value, |ui, value| self.table(ui, path, &properties, value, all));
            }
            Kind::Choice(words) => self.choice(ui, path, property, &words, value, all),
            Kind::Optional(inner) => {
                let there = !value.is_null();
                let fixed = at(self.preset, path).is_some();
                let mut wanted = there;
                self.row(ui, path, property, value, |ui, value, label| {
                    let hint = if fixed { "This preset has it; a command line cannot take it away" } else { help };
                    let tick = ui.add_enabled(!(fixed && there), egui::Checkbox::without_text(&mut wanted));
                    tick.labelled_by(label).on_hover_text(hint);
                    if !value.is_null() && !matches!(inner.inner_kind(), Kind::Table(_) | Kind::Choice(_)) {
                        self.editor(ui, inner, inner.inner_kind(), value, label);
                    }
                });
                match (wanted, value.is_null()) {
                    (true, true) => *value = inner.inner_sample(),
                    (false, false) => *value = Value::Null,
                    _ => {}
                }
                if !value.is_null() {
                    ui.indent(path, |ui| match inner.inner_kind() {
                        Kind::Table(properties) => self.table(ui, path, &properties, value, all),
                        Kind::Choice(words) => self.choice(ui, path, property, &words, value, all),
                        _ => {}
                    });
                }
            }
            Kind::List { item, fixed: None } if is_section(item, None) => {
                self.section(ui, path, property, value, |ui, value| self.list(ui, path, item, value));
            }
            kind => self.row(ui, path, property, value, |ui, value, label| {
                self.editor(ui, node, kind, value, label);
            }),
        }
    }

    fn section(
        &self,
        ui: &mut Ui,
        path: &str,
        property: &Property<'_>,
        value: &mut Value,
        body: impl FnOnce(&mut Ui, &mut Value),
    ) {
        let changed = self.is_changed(path, value);
        let title = RichText::new(property.key);
        let title = if changed { title.strong() } else { title };
        let open = self.searching || self.filter.changed;
        egui::CollapsingHeader::new(title)
            .id_salt(path)
            .default_open(!path.contains('.') || changed)
            .open(open.then_some(true))
            .show(ui, |ui| {
                if !property.help.is_empty() {
                    ui.add(Label::new(RichText::new(property.help).small().weak()).wrap());
                }
                body(ui, value);
            })
            .header_response
            .on_hover_text(property.help);
    }

    fn choice(
        &self,
        ui: &mut Ui,
        path: &str,
        property: &Property<'_>,
        words: &[Alternative<'_>],
        value: &mut Value,
        all: bool,
    ) {
        self.row(ui, path, property, value, |ui, value, label| pick(ui, path, words, value, label));
        let chosen = words.iter().find(|word| word.fits(value));
        let properties = chosen.map(Alternative::properties).unwrap_or_default();
        if properties.is_empty() {
            return;
        }
        ui.indent(path, |ui| {
            // A keyed choice holds its table one level deeper.
            let keyed = chosen.is_some_and(|w| matches!(w.shape, super::schema::Shape::Keyed(_)));
            match chosen.filter(|_| keyed).map(|w| w.name) {
                Some(name) => {
                    if let Some(inner) = value.get_mut(name) {
                        self.table(ui, &format!("{path}.{name}"), &properties, inner, all);
                    }
                }
                None => self.table(ui, path, &properties, value, all),
            }
        });
    }

    /// A list of tables or choices: each with its own section, and buttons to add and remove.
    fn list(&self, ui: &mut Ui, path: &str, item: Node<'_>, value: &mut Value) {
        let Some(items) = value.as_array_mut() else { return };
        let mut removed = None;
        for (i, inner) in items.iter_mut().enumerate() {
            let key = format!("{}", i + 1);
            ui.horizontal(|ui| {
                if ui.small_button("Remove").on_hover_text(format!("Remove entry {key} of {path}")).clicked() {
                    removed = Some(i);
                }
                ui.label(RichText::new(format!("entry {key}")).weak());
            });
            ui.indent((path, i), |ui| {
                let property = Property { key: &key, node: item, help: item.help() };
                self.value(ui, &format!("{path}[{i}]"), &property, inner, true);
            });
        }
        if let Some(i) = removed {
            items.remove(i);
        }
        if ui.button("Add an entry").on_hover_text(format!("Add an entry to {path}")).clicked() {
            items.push(item.sample());
        }
    }

    /// Key, value, help, and a way back to the preset.
    fn row(
        &self,
        ui: &mut Ui,
        path: &str,
        property: &Property<'_>,
        value: &mut Value,
        edit: impl FnOnce(&mut Ui, &mut Value, egui::Id),
    ) {
        let changed = self.is_changed(path, value);
        ui.horizontal(|ui| {
            let key = RichText::new(property.key);
            let key = if changed { key.strong().color(self.theme.accent()) } else { key };
            let layout = egui::Layout::left_to_right(egui::Align::Center);
            let label = ui
                .allocate_ui_with_layout(egui::vec2(KEYS, ui.spacing().interact_size.y), layout, |ui| {
                    ui.set_min_width(KEYS);
                    ui.add(Label::new(key).truncate())
                })
                .inner;
            let preset = at(self.preset, path).and_then(super::literal);
            let hover = format!(
                "{path}\n{}\nPreset: {}",
                property.help,
                preset.clone().unwrap_or_else(|| "not set".to_owned())
            );
            let label = label.on_hover_text(hover).id;
            ui.allocate_ui_with_layout(egui::vec2(VALUES, ui.spacing().interact_size.y), layout, |ui| {
                ui.set_min_width(VALUES);
                edit(ui, value, label);
            });
            if changed && !path.contains('[') {
                let hint = format!("Back to the preset: {}", preset.unwrap_or_else(|| "not set".to_owned()));
                if ui.small_button("Reset").on_hover_text(hint).clicked() {
                    *value = at(self.preset, path).cloned().unwrap_or(Value::Null);
                }
            }
            ui.add(Label::new(RichText::new(property.help).small().weak()).truncate());
        });
    }

    fn editor(&self, ui: &mut Ui, node: Node<'_>, kind: Kind<'_>, value: &mut Value, label: egui::Id) {
        match kind {
            Kind::Integer { minimum } => {
                let mut number = value.as_i64().unwrap_or(minimum.max(0));
                let speed = (number.abs() as f64 * 0.01).max(0.1);
                let drag = DragValue::new(&mut number).speed(speed).range(minimum..=1 << 40);
                if ui.add(drag).labelled_by(label).changed() {
                    *value = number.into();
                }
            }
            Kind::Number => number(ui, value, label),
            Kind::Flag => {
                let mut flag = value.as_bool().unwrap_or(false);
                if ui.add(egui::Checkbox::without_text(&mut flag)).labelled_by(label).changed() {
                    *value = flag.into();
                }
            }
            Kind::Text => {
                let mut text = value.as_str().unwrap_or("").to_owned();
                if ui.add(egui::TextEdit::singleline(&mut text)).labelled_by(label).changed() {
                    *value = text.into();
                }
            }
            Kind::List { item, fixed } => {
                let Some(items) = value.as_array_mut() else { return };
                for inner in items.iter_mut() {
                    self.editor(ui, item, item.inner_kind(), inner, label);
                }
                if fixed.is_none() {
                    if ui.small_button("+").on_hover_text("One more").clicked() {
                        items.push(item.inner_sample());
                    }
                    if !items.is_empty() && ui.small_button("−").on_hover_text("One less").clicked() {
                        items.pop();
                    }
                }
            }
            Kind::Choice(words) => pick(ui, "", &words, value, label),
            Kind::Optional(inner) if !value.is_null() => self.editor(ui, inner, inner.inner_kind(), value, label),
            Kind::Optional(_) | Kind::Table(_) | Kind::Other => {
                let text = super::literal(value).unwrap_or_else(|| "not set".to_owned());
                ui.add(Label::new(RichText::new(text).monospace()).truncate()).on_hover_text(node.help());
            }
        }
    }

    fn is_changed(&self, path: &str, value: &Value) -> bool {
        // Entries of lists have no place in the preset of their own; the list says that it changed.
        !path.contains('[') && at(self.preset, path).unwrap_or(&Value::Null) != value
    }

    fn says(&self, path: &str, help: &str) -> bool {
        let wanted = self.filter.text.trim().to_lowercase();
        !wanted.is_empty() && (path.to_lowercase().contains(&wanted) || help.to_lowercase().contains(&wanted))
    }

    /// Whether a value, or one below it, passes the filter.
    fn shows(&self, path: &str, node: Node<'_>, value: &Value, all: bool) -> bool {
        if self.filter.changed && !self.is_changed(path, value) {
            return false;
        }
        if !self.searching || all {
            return true;
        }
        let below = |properties: Vec<Property<'_>>| {
            properties.iter().any(|p| {
                let path = format!("{path}.{}", p.key);
                self.says(&path, p.help) || self.shows(&path, p.node, value.get(p.key).unwrap_or(&Value::Null), false)
            })
        };
        match node.kind() {
            Kind::Table(properties) => below(properties),
            Kind::Choice(words) => words.iter().find(|w| w.fits(value)).is_some_and(|w| below(w.properties())),
            _ => false,
        }
    }
}

/// Whether a value takes more than a row.
fn is_section(node: Node<'_>, value: Option<&Value>) -> bool {
    match node.kind() {
        Kind::Table(_) => true,
        Kind::Choice(words) => match value {
            Some(value) => words.iter().any(|w| w.fits(value) && !w.properties().is_empty()),
            None => words.iter().any(|w| !w.properties().is_empty()),
        },
        Kind::List { item, fixed: None } => is_section(item, None),
        _ => false,
    }
}

fn pick(ui: &mut Ui, path: &str, words: &[Alternative<'_>], value: &mut Value, label: egui::Id) {
    let chosen = words.iter().find(|word| word.fits(value));
    let shown = chosen.map_or("choose", |w| w.name);
    let response =
        egui::ComboBox::from_id_salt((path, label)).selected_text(shown).width(VALUES - 12.0).show_ui(ui, |ui| {
            for word in words {
                if ui.selectable_label(word.fits(value), word.name).on_hover_text(word.help).clicked()
                    && !word.fits(value)
                {
                    *value = word.sample();
                }
            }
        });
    response.response.labelled_by(label).on_hover_text(chosen.map_or("", |w| w.help));
}

fn number(ui: &mut Ui, value: &mut Value, label: egui::Id) {
    let mut number = value.as_f64().unwrap_or(0.0);
    let speed = (number.abs() * 0.01).max(1e-7);
    let drag = DragValue::new(&mut number)
        .speed(speed)
        .custom_formatter(|n, _| crate::widgets::number(n))
        .custom_parser(|text| text.trim().parse().ok().filter(|n: &f64| n.is_finite()));
    if ui.add(drag).labelled_by(label).changed() && number.is_finite() {
        *value = number.into();
    }
}
