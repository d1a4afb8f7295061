//! JSON text as Go's `encoding/json` writes it.

/// A document whose fields keep their order.
pub(super) enum Tree {
    Text(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub(super) fn texts(texts: &[String]) -> Tree {
        Tree::List(texts.iter().cloned().map(Tree::Text).collect())
    }
}

/// Two blanks a level, as `json.MarshalIndent` with them.
pub(super) fn indented(tree: &Tree) -> String {
    let mut out = String::new();
    write(tree, Some(0), &mut out);
    out
}

/// Without any white space.
pub(super) fn minified(tree: &Tree) -> String {
    let mut out = String::new();
    write(tree, None, &mut out);
    out
}

fn write(tree: &Tree, level: Option<usize>, out: &mut String) {
    match tree {
        Tree::Text(text) => out.push_str(&quoted(text)),
        Tree::List(items) => {
            enclosed('[', ']', items, level, out, write);
        }
        Tree::Object(fields) => enclosed('{', '}', fields, level, out, |(name, field), level, out| {
            out.push_str(&quoted(name));
            out.push_str(if level.is_some() { ": " } else { ":" });
            write(field, level, out);
        }),
    }
}

fn enclosed<T>(
    open: char,
    close: char,
    items: &[T],
    level: Option<usize>,
    out: &mut String,
    one: impl Fn(&T, Option<usize>, &mut String),
) {
    let inner = level.map(|level| level + 1);
    let line = |level: Option<usize>, out: &mut String| {
        if let Some(level) = level {
            out.push('\n');
            out.push_str(&"  ".repeat(level));
        }
    };
    out.push(open);
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        line(inner, out);
        one(item, inner, out);
    }
    if !items.is_empty() {
        line(level, out);
    }
    out.push(close);
}

/// Go escapes what HTML would misread.
fn quoted(text: &str) -> String {
    let mut quoted = serde_json::Value::from(text).to_string();
    for (plain, escaped) in [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ] {
        quoted = quoted.replace(plain, escaped);
    }
    quoted
}
