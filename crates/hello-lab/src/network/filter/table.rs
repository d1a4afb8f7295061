//! The words in which the rulesets are written, over the types of the crate `nftables`.

use ipnet::Ipv4Net;
use nftables::{
    batch::Batch,
    expr::{
        CT, CTDir, Expression, Map, Meta, MetaKey, NamedExpression, Payload, PayloadField, Prefix, Range,
        SetItem, Verdict,
    },
    schema::{Chain, NfListObject, Rule, Set, SetType, SetTypeValue, Table as TableHeader},
    stmt::{JumpTarget, Match, NAT, Operator, Statement, VerdictMap},
    types::{NfChainPolicy, NfChainType, NfFamily, NfHook},
};
use std::net::Ipv4Addr;

/// A table while it is written: chains and sets come first, since rules name them.
#[derive(Clone)]
pub(super) struct Table {
    family: NfFamily,
    name: &'static str,
    chains: Vec<Chain<'static>>,
    sets: Vec<Set<'static>>,
    rules: Vec<Rule<'static>>,
}

impl Table {
    pub(super) fn new(family: NfFamily, name: &'static str) -> Table {
        Table { family, name, chains: Vec::new(), sets: Vec::new(), rules: Vec::new() }
    }

    /// A chain that packets enter by jumping to it.
    pub(super) fn chain(&mut self, name: impl Into<String>) {
        let name = name.into().into();
        self.chains.push(Chain { family: self.family, table: self.name.into(), name, ..Chain::default() });
    }

    /// A chain that drops what none of its rules accepts.
    pub(super) fn filter(&mut self, name: &'static str, hook: NfHook) {
        self.base(name, NfChainType::Filter, hook, 0, NfChainPolicy::Drop);
    }

    /// A chain that translates addresses.
    pub(super) fn nat(&mut self, name: &'static str, hook: NfHook, priority: i32) {
        self.base(name, NfChainType::NAT, hook, priority, NfChainPolicy::Accept);
    }

    fn base(
        &mut self,
        name: &'static str,
        kind: NfChainType,
        hook: NfHook,
        prio: i32,
        policy: NfChainPolicy,
    ) {
        self.chains.push(Chain {
            family: self.family,
            table: self.name.into(),
            name: name.into(),
            _type: Some(kind),
            hook: Some(hook),
            prio: Some(prio),
            policy: Some(policy),
            ..Chain::default()
        });
    }

    pub(super) fn set(
        &mut self,
        name: impl Into<String>,
        types: &[SetType],
        elements: Vec<Expression<'static>>,
    ) {
        let set_type = match types {
            [one] => SetTypeValue::Single(*one),
            several => SetTypeValue::Concatenated(several.to_vec().into()),
        };
        self.sets.push(Set {
            family: self.family,
            table: self.name.into(),
            name: name.into().into(),
            set_type,
            elem: (!elements.is_empty()).then(|| elements.into()),
            ..Set::default()
        });
    }

    pub(super) fn rule(
        &mut self,
        chain: impl Into<String>,
        statements: impl IntoIterator<Item = Statement<'static>>,
    ) {
        self.rules.push(Rule {
            family: self.family,
            table: self.name.into(),
            chain: chain.into().into(),
            expr: statements.into_iter().collect::<Vec<_>>().into(),
            ..Rule::default()
        });
    }

    pub(super) fn add_to(self, batch: &mut Batch<'static>) {
        batch.add(NfListObject::Table(TableHeader {
            family: self.family,
            name: self.name.into(),
            handle: None,
        }));
        self.chains.into_iter().for_each(|chain| batch.add(NfListObject::Chain(chain)));
        self.sets.into_iter().for_each(|set| batch.add(NfListObject::Set(Box::new(set))));
        self.rules.into_iter().for_each(|rule| batch.add(NfListObject::Rule(rule)));
    }
}

// What is compared.

fn meta(key: MetaKey) -> Expression<'static> {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

/// The link a packet came in by.
pub(super) fn came_by() -> Expression<'static> {
    meta(MetaKey::Iifname)
}

/// The link a packet leaves by.
pub(super) fn leaves_by() -> Expression<'static> {
    meta(MetaKey::Oifname)
}

/// IPv4 or IPv6.
pub(super) fn network_protocol() -> Expression<'static> {
    meta(MetaKey::Nfproto)
}

/// TCP, UDP, ICMP.
pub(super) fn transport_protocol() -> Expression<'static> {
    meta(MetaKey::L4proto)
}

/// A field of a packet's headers.
pub(super) fn field(protocol: &'static str, field: &'static str) -> Expression<'static> {
    let field = PayloadField { protocol: protocol.into(), field: field.into() };
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(field)))
}

pub(super) fn source() -> Expression<'static> {
    field("ip", "saddr")
}

pub(super) fn destination() -> Expression<'static> {
    field("ip", "daddr")
}

/// What connection tracking knows of the flow.
pub(super) fn flow(key: &'static str) -> Expression<'static> {
    Expression::Named(NamedExpression::CT(CT { key: key.into(), family: None, dir: None }))
}

/// Where the flow goes to, as seen before translation (original) or in its replies.
pub(super) fn flow_destination(direction: CTDir) -> Expression<'static> {
    Expression::Named(NamedExpression::CT(CT { key: "ip daddr".into(), family: None, dir: Some(direction) }))
}

// What it is compared with.

pub(super) fn text(text: impl Into<String>) -> Expression<'static> {
    Expression::String(text.into().into())
}

pub(super) fn address(address: Ipv4Addr) -> Expression<'static> {
    text(address.to_string())
}

pub(super) fn number(number: impl Into<u32>) -> Expression<'static> {
    Expression::Number(number.into())
}

pub(super) fn range(first: u16, last: u16) -> Expression<'static> {
    Expression::Range(Box::new(Range { range: [number(first), number(last)] }))
}

pub(super) fn network(network: Ipv4Net) -> Expression<'static> {
    if network.prefix_len() == 32 {
        return address(network.addr());
    }
    let addr = Box::new(address(network.network()));
    Expression::Named(NamedExpression::Prefix(Prefix { addr, len: network.prefix_len().into() }))
}

pub(super) fn both(one: Expression<'static>, other: Expression<'static>) -> Expression<'static> {
    Expression::Named(NamedExpression::Concat(vec![one, other]))
}

/// The members of the set of this name.
pub(super) fn members(set: &str) -> Expression<'static> {
    text(format!("@{set}"))
}

// Statements.

pub(super) fn is(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

pub(super) fn is_not(left: Expression<'static>, right: Expression<'static>) -> Statement<'static> {
    Statement::Match(Match { left, right, op: Operator::NEQ })
}

/// The flow has one of these states.
pub(super) fn state(states: &[&'static str]) -> Statement<'static> {
    flow_has("state", states)
}

/// The destination of the flow was translated.
pub(super) fn translated_inwards() -> Statement<'static> {
    flow_has("status", &["dnat"])
}

/// States and status are bits: `in` asks for one of them, where `==` would ask for no other.
fn flow_has(key: &'static str, bits: &[&'static str]) -> Statement<'static> {
    let right = Expression::List(bits.iter().map(|bit| text(*bit)).collect());
    Statement::Match(Match { left: flow(key), right, op: Operator::IN })
}

pub(super) fn accept() -> Statement<'static> {
    Statement::Accept(None)
}

pub(super) fn drop() -> Statement<'static> {
    Statement::Drop(None)
}

pub(super) fn jump(chain: impl Into<String>) -> Statement<'static> {
    Statement::Jump(JumpTarget { target: chain.into().into() })
}

pub(super) fn goto(chain: impl Into<String>) -> Statement<'static> {
    Statement::Goto(JumpTarget { target: chain.into().into() })
}

/// Goes to the chain that stands beside the value.
pub(super) fn dispatch(key: Expression<'static>, chains: Vec<(String, String)>) -> Statement<'static> {
    let item = |(value, chain): (String, String)| {
        SetItem::Mapping(text(value), Expression::Verdict(Verdict::Goto(JumpTarget { target: chain.into() })))
    };
    let data = Expression::Named(NamedExpression::Set(chains.into_iter().map(item).collect()));
    Statement::VerdictMap(VerdictMap { key, data })
}

fn translated(key: Expression<'static>, pairs: Vec<(Ipv4Addr, Ipv4Addr)>) -> NAT<'static> {
    let item = |(from, to)| SetItem::Mapping(address(from), address(to));
    let data = Expression::Named(NamedExpression::Set(pairs.into_iter().map(item).collect()));
    let addr = Some(Expression::Named(NamedExpression::Map(Box::new(Map { key, data }))));
    NAT { addr, family: None, port: None, flags: None }
}

/// Puts another destination in place of the one that is there.
pub(super) fn translate_destination(pairs: Vec<(Ipv4Addr, Ipv4Addr)>) -> Statement<'static> {
    Statement::DNAT(Some(translated(destination(), pairs)))
}

/// Puts another source in place of the one that is there.
pub(super) fn translate_source(pairs: Vec<(Ipv4Addr, Ipv4Addr)>) -> Statement<'static> {
    Statement::SNAT(Some(translated(source(), pairs)))
}

/// Puts the address of the link that the packet leaves by in place of its source.
pub(super) fn masquerade() -> Statement<'static> {
    Statement::Masquerade(None)
}
