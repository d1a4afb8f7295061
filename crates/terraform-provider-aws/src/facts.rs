//! What schemas do not show, by resource type: defaults, what forces replacement, constraints, made-up identifiers.
//!
//! The facts stand in `facts/<type>.toml`, each with its source; `facts/README.md` explains the keys. The build embeds them, and
//! a type is read when it is first asked for. What they do to a plan is the planner's business.
//!
//! - [`model`](self): the form of a facts file
//! - `check` and `format`: a configuration against the facts of its type
//! - [`template`]: the words of the templates of made-up values

mod check;
mod format;
mod model;
pub mod template;

pub(crate) use check::{admits, check};
pub use model::{
    AttributeFacts, Change, Citations, Equality, Format, Import, Normalization, Pattern, Source, TypeFacts,
};

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

static TEXTS: &str = include_str!(concat!(env!("OUT_DIR"), "/facts.json"));
/// Where the facts of each type stand in [`TEXTS`]: name, start, end; sorted by name.
static INDEX: &[(&str, usize, usize)] = include!(concat!(env!("OUT_DIR"), "/facts_index.rs"));

static READ: LazyLock<Mutex<HashMap<&'static str, Arc<TypeFacts>>>> = LazyLock::new(Mutex::default);

/// The facts of a resource type, or `None` for a type that is known by its schema only.
pub fn of_type(type_name: &str) -> Option<Arc<TypeFacts>> {
    let position = INDEX.binary_search_by_key(&type_name, |place| place.0).ok()?;
    let (name, start, end) = INDEX[position];
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(facts) = read.get(name) {
        return Some(Arc::clone(facts));
    }
    let facts = Arc::new(serde_json::from_str(&TEXTS[start..end]).ok()?);
    read.insert(name, Arc::clone(&facts));
    Some(facts)
}

/// The resource types supported in depth, sorted.
pub fn type_names() -> impl Iterator<Item = &'static str> {
    INDEX.iter().map(|place| place.0)
}

impl TypeFacts {
    /// The facts of an attribute or a kind of block, by its dotted path without indices.
    pub fn attribute(&self, path: &str) -> Option<&AttributeFacts> {
        self.attributes.get(path)
    }
}
