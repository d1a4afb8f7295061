//! What a user is told: one sentence with cause and way out, and the attribute it is about.

use crate::proto;

/// A message about the configuration or an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A warning lets the operation go on.
    pub is_warning: bool,
    /// The headline.
    pub summary: String,
    /// The sentence under it; may be empty.
    pub detail: String,
    /// The attribute it is about; empty for the whole resource.
    pub path: Path,
}

impl Diagnostic {
    /// An error about a whole resource or operation.
    pub fn error(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            is_warning: false,
            summary: summary.into(),
            detail: detail.into(),
            path: Path::default(),
        }
    }

    /// A warning about a whole resource or operation.
    pub fn warning(summary: impl Into<String>, detail: impl Into<String>) -> Diagnostic {
        Diagnostic { is_warning: true, ..Diagnostic::error(summary, detail) }
    }

    /// The same, about one attribute.
    #[must_use]
    pub fn at(mut self, path: Path) -> Diagnostic {
        self.path = path;
        self
    }
}

impl From<Diagnostic> for proto::Diagnostic {
    fn from(diagnostic: Diagnostic) -> proto::Diagnostic {
        use proto::diagnostic::Severity;
        let severity = if diagnostic.is_warning { Severity::Warning } else { Severity::Error };
        let attribute = (!diagnostic.path.steps.is_empty()).then(|| diagnostic.path.into());
        proto::Diagnostic {
            severity: severity.into(),
            summary: diagnostic.summary,
            detail: diagnostic.detail,
            attribute,
        }
    }
}

/// The way to an attribute. Elements of sets have no address: a path ends at the set.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// From the outside in.
    pub steps: Vec<Step>,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// An attribute or a nested block.
    Attribute(String),
    /// An element of a list.
    Index(usize),
    /// An element of a map.
    Key(String),
}

impl Path {
    /// A top-level attribute or block.
    pub fn attribute(name: &str) -> Path {
        Path { steps: vec![Step::Attribute(name.to_owned())] }
    }

    /// One step further.
    #[must_use]
    pub fn then(&self, step: Step) -> Path {
        let mut steps = self.steps.clone();
        steps.push(step);
        Path { steps }
    }

    /// An attribute inside.
    #[must_use]
    pub fn child(&self, name: &str) -> Path {
        self.then(Step::Attribute(name.to_owned()))
    }
}

impl std::fmt::Display for Path {
    /// As the provider prints it: `default_action[0].redirect`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, step) in self.steps.iter().enumerate() {
            match step {
                Step::Attribute(name) if position == 0 => write!(f, "{name}")?,
                Step::Attribute(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

impl From<Path> for proto::AttributePath {
    fn from(path: Path) -> proto::AttributePath {
        use proto::attribute_path::{Step as ProtoStep, step::Selector};
        let step = |step| ProtoStep {
            selector: Some(match step {
                Step::Attribute(name) => Selector::AttributeName(name),
                Step::Index(index) => Selector::ElementKeyInt(i64::try_from(index).unwrap_or(i64::MAX)),
                Step::Key(key) => Selector::ElementKeyString(key),
            }),
        };
        proto::AttributePath { steps: path.steps.into_iter().map(step).collect() }
    }
}
