//! The reference of a tenant's file as Markdown, out of its JSON Schema: a section per table, a row per key.

use serde_json::Value as Json;

/// The version that the first keys came with; the schema says `x-since` of later ones.
const FIRST: &str = "0.1.0";

/// A table of a tenant's file, with the keys that it can have.
pub(crate) struct Section {
    /// How the table is written.
    pub(crate) title: String,
    /// Where such a table stands in a document, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) meaning: String,
    pub(crate) keys: Vec<Key>,
}

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) needed: bool,
    pub(crate) schema: Json,
}

/// Returns all tables of a tenant's file, each before the tables in it.
pub(crate) fn sections(schema: &Json) -> Vec<Section> {
    let mut sections = Vec::new();
    table(
        &Place { title: "the tenant".to_owned(), name: String::new(), pointer: String::new() },
        schema,
        &mut sections,
    );
    sections
}

/// The reference of all of them.
pub(crate) fn markdown(sections: &[Section]) -> String {
    sections.iter().map(Section::markdown).collect()
}

/// Where a table stands: how it is headed, by which name tables in it begin, and the JSON pointer of one.
struct Place {
    title: String,
    name: String,
    pointer: String,
}

impl Place {
    /// What stands at a key of it.
    fn at(&self, key: &str) -> Self {
        let name = if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) };
        Self { title: format!("[{name}]"), name, pointer: format!("{}/{key}", self.pointer) }
    }
}

fn table(place: &Place, schema: &Json, sections: &mut Vec<Section>) {
    let keys = keys_of(schema);
    let inner: Vec<(Place, Json)> = keys.iter().map(|key| (place.at(&key.name), key.schema.clone())).collect();
    let (title, pointer) = (place.title.clone(), place.pointer.clone());
    sections.push(Section { title, pointer, meaning: text(schema, "description"), keys });
    for (place, schema) in inner {
        inside(&place, &schema, sections);
    }
}

/// The tables in the value of a key.
fn inside(place: &Place, schema: &Json, sections: &mut Vec<Section>) {
    if let Some(kinds) = schema["items"]["oneOf"].as_array() {
        return sinks(place, schema, kinds, sections);
    }
    if schema.get("properties").is_some() {
        return table(place, schema, sections);
    }
    for choice in schema["anyOf"].as_array().into_iter().flatten() {
        inside(place, choice, sections);
    }
    if let Some(entries) = schema.get("additionalProperties").filter(|entries| entries.get("type").is_some()) {
        // The names of languages stand below the names of templates.
        let name = if place.name.ends_with("NAME") { "LANGUAGE" } else { "NAME" };
        inside(&place.at(name), entries, sections);
    }
}

/// A section for what sinks of all kinds have, and one for each kind.
fn sinks(place: &Place, schema: &Json, kinds: &[Json], sections: &mut Vec<Section>) {
    let is_shared = |name: &str| kinds.iter().all(|kind| kind["properties"].get(name).is_some());
    let mut all = kinds[0].clone();
    all["properties"]["kind"]["enum"] =
        kinds.iter().map(|kind| kind["properties"]["kind"]["enum"][0].clone()).collect();
    let mut keys = keys_of(&all);
    keys.retain(|key| is_shared(&key.name));
    let (title, pointer) = (format!("[[{}]]", place.name), format!("{}/0", place.pointer));
    sections.push(Section { title: title.clone(), pointer, meaning: text(schema, "description"), keys });
    for (index, kind) in kinds.iter().enumerate() {
        let mut own = kind.clone();
        own["properties"].as_object_mut().unwrap().retain(|name, _| !is_shared(name));
        let word = kind["properties"]["kind"]["enum"][0].as_str().unwrap();
        let place = Place {
            title: format!("{title} of kind {word}"),
            name: place.name.clone(),
            pointer: format!("{}/{index}", place.pointer),
        };
        table(&place, &own, sections);
    }
}

/// Returns the keys of a table, the required ones first.
fn keys_of(schema: &Json) -> Vec<Key> {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let key = |(name, schema): (&String, &Json)| Key {
        name: name.clone(),
        needed: required.contains(&Json::from(name.as_str())),
        schema: schema.clone(),
    };
    let mut keys: Vec<Key> = schema["properties"].as_object().unwrap().iter().map(key).collect();
    keys.sort_by_key(|key| !key.needed);
    keys
}

fn text(schema: &Json, name: &str) -> String {
    schema[name].as_str().unwrap_or_default().to_owned()
}

impl Section {
    fn markdown(&self) -> String {
        let heading = match self.title.split_once(" of kind ") {
            Some((table, kind)) => format!("`{table}` of kind `{kind}`"),
            None if self.title.starts_with('[') => format!("`{}`", self.title),
            None => self.title.clone(),
        };
        let mut lines = vec![format!("### {heading}\n\n{}\n", wrapped(&self.meaning))];
        lines.push(
            "| key | says | type | default | bounds | example | since |\n|---|---|---|---|---|---|---|".to_owned(),
        );
        lines.extend(self.keys.iter().map(Key::row));
        lines.join("\n") + "\n\n"
    }
}

impl Key {
    /// Whether it is a table of its own, which has a section.
    pub(crate) fn is_table(&self) -> bool {
        kind(&self.schema) == "table" || self.schema["items"].get("oneOf").is_some()
    }

    /// What it says, without its bounds.
    pub(crate) fn meaning(&self) -> String {
        let meaning = text(&self.schema, "description");
        let bounds = self.schema["x-bounds"].as_str().map(|bounds| format!(" Bounds: {bounds}.")).unwrap_or_default();
        meaning.strip_suffix(&bounds).unwrap_or(&meaning).to_owned()
    }

    pub(crate) fn examples(&self) -> impl Iterator<Item = &Json> {
        self.schema["examples"].as_array().into_iter().flatten()
    }

    fn row(&self) -> String {
        let code = |value: &Json| format!("`{}`", toml(value));
        let default = match (self.needed, self.schema.get("default")) {
            (true, _) => "needed".to_owned(),
            (false, default) => default.map(code).unwrap_or_default(),
        };
        let examples: Vec<String> = self.examples().map(code).collect();
        let since = self.schema["x-since"].as_str().unwrap_or(FIRST).to_owned();
        let meaning = [self.meaning(), values(&self.schema)].join(" ");
        let cells = [
            format!("`{}`", self.name),
            meaning,
            kind(&self.schema),
            default,
            bounds(&self.schema),
            examples.join(", "),
            since,
        ];
        let cells = cells.map(|cell| cell.trim().replace('|', "\\|"));
        format!("| {} |", cells.join(" | "))
    }
}

/// What each value of a list of values means.
fn values(schema: &Json) -> String {
    let meanings = schema["x-taplo"]["docs"]["enumValues"].as_array().into_iter().flatten();
    let values = schema["enum"].as_array().into_iter().flatten();
    let one = |(value, meaning): (&Json, &Json)| format!("`{}`: {}", toml(value), meaning.as_str().unwrap_or_default());
    values.zip(meanings).map(one).collect::<Vec<_>>().join(" ")
}

fn kind(schema: &Json) -> String {
    if let Some(named) = schema["x-type"].as_str() {
        return named.to_owned();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{}`", toml(value))).collect::<Vec<_>>().join(" or ");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") if schema["items"].get("oneOf").is_some() => "list of tables".to_owned(),
        Some("array") => format!("list: {}", kind(&schema["items"])),
        Some("object") => "table".to_owned(),
        Some("string") => "text".to_owned(),
        Some(other) => other.to_owned(),
        None => String::new(),
    }
}

fn bounds(schema: &Json) -> String {
    if let Some(said) = schema["x-bounds"].as_str() {
        return said.to_owned();
    }
    let range = |least: &str, most: &str| match (schema[least].as_u64(), schema[most].as_u64()) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}")),
        (Some(least), None) if least > 0 => Some(format!("{least} or more")),
        (None, Some(most)) => Some(format!("at most {most}")),
        _ => None,
    };
    if let Some(values) = schema["items"]["enum"].as_array() {
        return values.iter().map(|value| format!("`{}`", toml(value))).collect::<Vec<_>>().join(", ");
    }
    let entries = range("minItems", "maxItems").or_else(|| range("minProperties", "maxProperties"));
    range("minimum", "maximum").or_else(|| entries.map(|range| format!("{range} entries"))).unwrap_or_default()
}

/// A value as TOML writes it.
fn toml(value: &Json) -> String {
    match value {
        Json::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(table) => {
            let pairs: Vec<String> = table.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // Texts, numbers and booleans are written alike in both.
        other => other.to_string(),
    }
}

/// Prose in lines of at most 120 columns.
fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}
