//! The form of a facts file. The keys are explained in `facts/README.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Number, Value};

/// All facts of one resource type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeFacts {
    /// The resource type, such as `aws_vpc`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The version of the type's schema, which a state file carries.
    pub schema_version: u64,
    /// Where the facts were read.
    #[serde(rename = "source")]
    pub sources: Vec<Source>,
    /// By what the type is imported; by its `id` where nothing is said.
    #[serde(default)]
    pub import: Option<Import>,
    /// The facts by dotted path.
    #[serde(default, rename = "attribute")]
    pub attributes: BTreeMap<String, AttributeFacts>,
}

/// Where facts were read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The name by which an entry cites it.
    pub id: String,
    /// Its address.
    pub url: String,
    /// The function, method or variable there, where the address is a folder of source files.
    #[serde(default)]
    pub symbol: Option<String>,
}

/// By what a type is imported, instead of its `id`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Import {
    /// The cited sources.
    pub source: Citations,
    /// The forms of the id, tried in turn; none where the type cannot be imported.
    pub id: Vec<String>,
    /// The form in the provider's words, for an id of another.
    pub expected: Option<String>,
}

/// The facts of one attribute or one kind of block.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file, and they are independent")]
pub struct AttributeFacts {
    /// The cited sources.
    pub source: Citations,
    /// A block that AWS fills in where the configuration leaves it out.
    pub computed: bool,
    /// A change replaces the resource.
    pub force_new: bool,
    /// A change that is one of these replaces the resource.
    pub force_new_if: Vec<Change>,
    /// Planned when the configuration leaves the argument out.
    pub default: Option<Value>,
    /// The value is one of these.
    pub one_of: Vec<Value>,
    /// `one_of` compares without case.
    pub ignore_case: bool,
    /// Expressions that a text must match or must not match.
    pub pattern: Vec<Pattern>,
    /// The least length of a text, in bytes of UTF-8.
    pub min_length: Option<u64>,
    /// The largest length of a text, in bytes of UTF-8.
    pub max_length: Option<u64>,
    /// The smallest number.
    pub min: Option<Number>,
    /// The largest number.
    pub max: Option<Number>,
    /// The number is a multiple of this, or one of `one_of`.
    pub multiple_of: Option<Number>,
    /// The least number of elements or blocks.
    pub min_items: Option<u64>,
    /// The largest number of elements or blocks.
    pub max_items: Option<u64>,
    /// What kind of text it is.
    pub format: Option<Format>,
    /// None of these may be set beside it.
    pub conflicts_with: Vec<String>,
    /// All of these must be set beside it.
    pub required_with: Vec<String>,
    /// Exactly one of these is set.
    pub exactly_one_of: Vec<String>,
    /// At least one of these is set.
    pub at_least_one_of: Vec<String>,
    /// Terraform hides the value.
    pub sensitive: bool,
    /// The value is used once and never stored.
    pub write_only: bool,
    /// When a changed text counts as unchanged.
    pub equal: Option<Equality>,
    /// The form in which the configured value is planned.
    pub normalize: Option<Normalization>,
    /// A computed attribute becomes unknown in an update when one of these changes; `*` stands for any.
    pub unknown_on_change_of: Vec<String>,
    /// The made-up value of record mode; its texts are templates.
    pub value: Option<Value>,
    /// The argument whose value begins a generated name.
    pub name_prefix: Option<String>,
}

/// Some changes of a value. What is left out holds for any change.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Change {
    /// The value before.
    pub from: Option<Value>,
    /// The value after.
    pub to: Option<Value>,
    /// The planned values of other attributes, by path.
    pub when: BTreeMap<String, Value>,
}

/// One source id, or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Citations {
    /// The usual case.
    One(String),
    /// Facts that stand in different places.
    Many(Vec<String>),
}

impl Citations {
    /// The cited ids.
    pub fn ids(&self) -> &[String] {
        match self {
            Self::One(id) => std::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }
}

impl Default for Citations {
    /// No citation; an entry like this fails the tests.
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// A rule on the form of a text, with the sentence for a value that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Pattern {
    /// The text must match.
    Match {
        /// The regular expression.
        #[serde(rename = "match")]
        expression: String,
        /// What the user reads.
        message: String,
    },
    /// The text must not match.
    Reject {
        /// The regular expression.
        #[serde(rename = "reject")]
        expression: String,
        /// What the user reads.
        message: String,
    },
}

/// Kinds of text that are checked by code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An ARN, or empty.
    Arn,
    /// JSON.
    Json,
    /// A JSON object without repeated keys.
    IamPolicy,
    /// A network in canonical form.
    Cidr,
    /// An IPv4 network in canonical form.
    CidrIpv4,
    /// An IPv6 network in canonical form.
    CidrIpv6,
    /// An IP address.
    Ip,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Twelve digits.
    AccountId,
    /// An RFC 3339 time.
    Rfc3339,
    /// Standard base64.
    Base64,
    /// A daily window, `hh24:mi-hh24:mi`.
    WindowDaily,
    /// A weekly window, `ddd:hh24:mi-ddd:hh24:mi`.
    WindowWeekly,
}

/// Senses in which two different texts are the same value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equality {
    /// But for upper and lower case.
    CaseInsensitive,
    /// As JSON documents.
    Json,
    /// As IAM policies.
    IamPolicy,
    /// As networks: `2001:DB8::/32` and `2001:db8:0::/32`.
    Cidr,
    /// As IP protocols: `tcp` and `6`, `all` and `-1`.
    Protocol,
    /// As points in time, whatever their zone.
    Time,
}

/// Forms in which a configured text is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// In lower case.
    Lowercase,
    /// As JSON without white space, keys sorted, `<`, `>` and `&` escaped.
    Json,
    /// As a DNS name: in lower case, without a dot at the end.
    DnsName,
    /// As an IP protocol: a name in lower case where it has one, `-1` for all.
    Protocol,
    /// Without white space at both ends.
    Trim,
    /// In upper case.
    Uppercase,
}
