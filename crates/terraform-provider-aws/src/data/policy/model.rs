//! The parts of a policy, and how two policies become one.

use super::text::Tree;
use crate::value::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One text, or several; the difference shows in the policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identifiers {
    One(String),
    Many(Vec<String>),
}

impl Identifiers {
    /// The elements of a set as the provider writes them: one alone, several in reverse order.
    pub(super) fn of_set(set: &Value) -> Option<Identifiers> {
        let mut texts: Vec<String> = set.texts().into_iter().map(str::to_owned).collect();
        texts.sort_unstable_by(|left, right| right.cmp(left));
        match texts.len() {
            0 => None,
            1 => texts.pop().map(Identifiers::One),
            _ => Some(Identifiers::Many(texts)),
        }
    }

    fn of_json(json: &Json) -> Result<Option<Identifiers>, String> {
        match json {
            Json::Null => Ok(None),
            Json::String(text) => Ok(Some(Identifiers::One(text.clone()))),
            Json::Array(items) => {
                let text = |item: &Json| {
                    item.as_str().map(str::to_owned).ok_or_else(|| format!("{item} is not text"))
                };
                Ok(Some(Identifiers::Many(items.iter().map(text).collect::<Result<_, _>>()?)))
            }
            other => Err(format!("{other} is neither text nor a list of texts")),
        }
    }

    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            Identifiers::One(text) => vec![text],
            Identifiers::Many(texts) => texts,
        }
    }

    fn to_tree(&self) -> Tree {
        match self {
            Identifiers::One(text) => Tree::Text(text.clone()),
            Identifiers::Many(texts) => Tree::texts(texts),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) version: String,
    pub(super) id: String,
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: String,
    pub(super) effect: String,
    pub(super) actions: Option<Identifiers>,
    pub(super) not_actions: Option<Identifiers>,
    pub(super) resources: Option<Identifiers>,
    pub(super) not_resources: Option<Identifiers>,
    /// Type and identifiers.
    pub(super) principals: Vec<(String, Identifiers)>,
    pub(super) not_principals: Vec<(String, Identifiers)>,
    /// Test, variable, values.
    pub(super) conditions: Vec<(String, String, Vec<String>)>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let field = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let statements = match json.get("Statement") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(items)) => items.iter().map(Statement::parse).collect::<Result<_, _>>()?,
            Some(single) => vec![Statement::parse(single)?],
        };
        Ok(Document { version: field("Version"), id: field("Id"), statements })
    }

    /// Takes over what `other` has: its id, a later version, its statements, in place of those with the same sid.
    pub(super) fn merge(&mut self, other: Document) {
        if !other.id.is_empty() {
            self.id = other.id;
        }
        if other.version > self.version {
            self.version = other.version;
        }
        for statement in other.statements {
            let same = self
                .statements
                .iter_mut()
                .find(|known| !statement.sid.is_empty() && known.sid == statement.sid);
            match same {
                Some(known) => *known = statement,
                None => self.statements.push(statement),
            }
        }
    }

    pub(super) fn to_tree(&self) -> Tree {
        let mut fields = Vec::new();
        if !self.version.is_empty() {
            fields.push(("Version".to_owned(), Tree::Text(self.version.clone())));
        }
        if !self.id.is_empty() {
            fields.push(("Id".to_owned(), Tree::Text(self.id.clone())));
        }
        if !self.statements.is_empty() {
            let statements = self.statements.iter().map(Statement::to_tree).collect();
            fields.push(("Statement".to_owned(), Tree::List(statements)));
        }
        Tree::Object(fields)
    }
}

impl Statement {
    fn parse(json: &Json) -> Result<Statement, String> {
        if !json.is_object() {
            return Err(format!("{json} is not a statement"));
        }
        let field = |name: &str| json.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let list = |name: &str| Identifiers::of_json(json.get(name).unwrap_or(&Json::Null));
        Ok(Statement {
            sid: field("Sid"),
            effect: field("Effect"),
            actions: list("Action")?,
            not_actions: list("NotAction")?,
            resources: list("Resource")?,
            not_resources: list("NotResource")?,
            principals: principals(json.get("Principal"))?,
            not_principals: principals(json.get("NotPrincipal"))?,
            conditions: conditions(json.get("Condition"))?,
        })
    }

    fn to_tree(&self) -> Tree {
        let mut fields = Vec::new();
        let mut add =
            |name: &str, tree: Option<Tree>| fields.extend(tree.map(|tree| (name.to_owned(), tree)));
        let text = |text: &String| (!text.is_empty()).then(|| Tree::Text(text.clone()));
        let list = |list: &Option<Identifiers>| list.as_ref().map(Identifiers::to_tree);
        add("Sid", text(&self.sid));
        add("Effect", text(&self.effect));
        add("Action", list(&self.actions));
        add("NotAction", list(&self.not_actions));
        add("Resource", list(&self.resources));
        add("NotResource", list(&self.not_resources));
        add("Principal", principals_tree(&self.principals));
        add("NotPrincipal", principals_tree(&self.not_principals));
        add("Condition", conditions_tree(&self.conditions));
        Tree::Object(fields)
    }
}

fn principals(json: Option<&Json>) -> Result<Vec<(String, Identifiers)>, String> {
    match json {
        None | Some(Json::Null) => Ok(Vec::new()),
        Some(Json::String(_)) => Ok(vec![("*".to_owned(), Identifiers::Many(vec!["*".to_owned()]))]),
        Some(Json::Object(fields)) => {
            let mut found = Vec::new();
            for (kind, value) in fields {
                found.extend(Identifiers::of_json(value)?.map(|identifiers| (kind.clone(), identifiers)));
            }
            Ok(found)
        }
        Some(other) => Err(format!("{other} is not a principal")),
    }
}

/// Only `{"*": "*"}` becomes `"*"`: IAM takes `{"AWS": "*"}` for something else in trust policies.
fn principals_tree(principals: &[(String, Identifiers)]) -> Option<Tree> {
    if principals.is_empty() {
        return None;
    }
    if let [(kind, identifiers)] = principals
        && kind == "*"
        && identifiers.clone().into_vec() == ["*"]
    {
        return Some(Tree::Text("*".to_owned()));
    }
    let mut by_kind: BTreeMap<&String, Identifiers> = BTreeMap::new();
    for (kind, identifiers) in principals {
        let mut more = identifiers.clone();
        if let Identifiers::Many(texts) = &mut more {
            texts.sort_unstable_by(|left, right| right.cmp(left));
        }
        let joined = match by_kind.remove(kind) {
            None => more,
            Some(known) => Identifiers::Many([known.into_vec(), more.into_vec()].concat()),
        };
        by_kind.insert(kind, joined);
    }
    Some(Tree::Object(
        by_kind.into_iter().map(|(kind, identifiers)| (kind.clone(), identifiers.to_tree())).collect(),
    ))
}

fn conditions(json: Option<&Json>) -> Result<Vec<(String, String, Vec<String>)>, String> {
    let Some(Json::Object(tests)) = json else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for (test, variables) in tests {
        let variables = variables.as_object().ok_or_else(|| format!("{variables} is not a condition"))?;
        for (variable, values) in variables {
            let values = match values {
                Json::Bool(truth) => vec![truth.to_string()],
                Json::Number(number) => vec![number.to_string()],
                other => Identifiers::of_json(other)?.map(Identifiers::into_vec).unwrap_or_default(),
            };
            found.push((test.clone(), variable.clone(), values));
        }
    }
    Ok(found)
}

fn conditions_tree(conditions: &[(String, String, Vec<String>)]) -> Option<Tree> {
    if conditions.is_empty() {
        return None;
    }
    let mut tests: BTreeMap<&String, BTreeMap<&String, Vec<String>>> = BTreeMap::new();
    for (test, variable, values) in conditions {
        tests.entry(test).or_default().entry(variable).or_default().extend(values.iter().cloned());
    }
    let variables = |variables: BTreeMap<&String, Vec<String>>| {
        let field = |(variable, values): (&String, Vec<String>)| {
            let tree = match values.as_slice() {
                [single] => Tree::Text(single.clone()),
                _ => Tree::texts(&values),
            };
            (variable.clone(), tree)
        };
        Tree::Object(variables.into_iter().map(field).collect())
    };
    Some(Tree::Object(tests.into_iter().map(|(test, inner)| (test.clone(), variables(inner))).collect()))
}
