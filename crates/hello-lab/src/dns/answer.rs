//! What a server says to a question: a pure function of its data.
//!
//! RFC 1034 (4.3.2, the algorithm), RFC 2308 (negative answers), RFC 4592 (wildcards).

use super::model::{RecordData, ServerData, Zone};
use hickory_server::proto::{
    op::ResponseCode,
    rr::{
        Name, RData, Record, RecordType,
        rdata::{CNAME, NS, SOA, TXT},
    },
};
use std::{collections::BTreeMap, net::Ipv4Addr, str::FromStr as _};

/// How many aliases are followed: more is a loop.
const ALIASES: usize = 8;

/// How long "there is no such name" may be kept: not long, for in the lab names come within seconds.
const NEGATIVE_TTL: u32 = 5;

/// A server's data, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct Data {
    zones: BTreeMap<String, Records>,
    /// Where everything else is asked.
    pub(super) forward: Option<Ipv4Addr>,
    /// Records that could not be understood, one sentence each.
    pub(super) problems: Vec<String>,
}

/// A zone's records by name.
type Records = BTreeMap<String, Vec<(u32, RecordType, RData)>>;

/// What is to be said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// How it went.
    pub(super) code: ResponseCode,
    /// Is it from a zone of ours?
    pub(super) authoritative: bool,
    /// Records that answer.
    pub(super) answers: Vec<Record>,
    /// The zone's SOA, where there is nothing to answer with.
    pub(super) soa: Option<Record>,
    /// A name that is none of ours, to be asked elsewhere and added.
    pub(super) elsewhere: Option<Name>,
}

impl Data {
    /// Makes records of the model.
    pub(super) fn new(model: &ServerData) -> Data {
        let mut data = Data { forward: model.forward, ..Data::default() };
        for (name, zone) in &model.zones {
            let records = data.records(zone);
            data.zones.insert(key(name), records);
        }
        data
    }

    fn records(&mut self, zone: &Zone) -> Records {
        let mut records = Records::new();
        for (name, sets) in &zone.names {
            let entry = records.entry(key(name)).or_default();
            for set in sets {
                match rdata(&set.data) {
                    Ok(list) => {
                        entry.extend(list.into_iter().map(|data| (set.ttl, data.record_type(), data)));
                    }
                    Err(problem) => self.problems.push(format!("{name}: {problem}")),
                }
            }
        }
        records
    }

    /// The answer to a question. `turn` counts answers, so that each begins with another address.
    pub(super) fn answer(&self, name: &Name, record_type: RecordType, turn: usize) -> Answer {
        let mut answer = Answer {
            code: ResponseCode::NoError,
            authoritative: true,
            answers: Vec::new(),
            soa: None,
            elsewhere: None,
        };
        let mut name = name.clone();
        for _ in 0..ALIASES {
            let Some((apex, records)) = self.zone(&name) else {
                // A question that is none of ours from the beginning is no answer of ours either.
                answer.authoritative = !answer.answers.is_empty();
                match self.forward {
                    Some(_) => answer.elsewhere = Some(name),
                    None if answer.authoritative => {}
                    None => answer.code = ResponseCode::Refused,
                }
                return answer;
            };
            let Some(here) = lookup(apex, records, &text(&name)) else {
                answer.code = ResponseCode::NXDomain;
                answer.soa = Some(soa(apex, records));
                return answer;
            };
            let alias = here.iter().find_map(|(ttl, _, data)| match data {
                RData::CNAME(target) if !matches!(record_type, RecordType::CNAME | RecordType::ANY) => {
                    Some((*ttl, target.clone()))
                }
                _ => None,
            });
            if let Some((ttl, target)) = alias {
                answer.answers.push(Record::from_rdata(name, ttl, RData::CNAME(target.clone())));
                name = target.0;
                continue;
            }
            let mut fitting: Vec<_> = here
                .iter()
                .filter(|(_, known, _)| *known == record_type || record_type == RecordType::ANY)
                .map(|(ttl, _, data)| Record::from_rdata(name.clone(), *ttl, data.clone()))
                .collect();
            if record_type == RecordType::SOA && fitting.is_empty() && text(&name) == apex {
                fitting.push(soa(apex, records));
            }
            if fitting.is_empty() {
                answer.soa = Some(soa(apex, records));
            } else {
                let turns = turn % fitting.len();
                fitting.rotate_left(turns);
                answer.answers.extend(fitting);
            }
            return answer;
        }
        answer.code = ResponseCode::ServFail;
        answer
    }

    /// The nearest zone above a name.
    fn zone(&self, name: &Name) -> Option<(&str, &Records)> {
        let text = text(name);
        above(&text)
            .find_map(|candidate| self.zones.get_key_value(candidate))
            .map(|(apex, zone)| (apex.as_str(), zone))
    }
}

/// A name and those above it, the root last.
fn above(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| {
        if name.is_empty() { None } else { Some(name.split_once('.').map_or("", |(_, rest)| rest)) }
    })
}

/// A name as the model writes it.
fn key(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn text(name: &Name) -> String {
    key(&name.to_ascii())
}

/// The records of a name; empty where the name is there without any; `None` where it is not.
fn lookup<'a>(apex: &str, records: &'a Records, name: &str) -> Option<&'a [(u32, RecordType, RData)]> {
    let there = |name: &str| {
        let below = format!(".{name}");
        name == apex || records.contains_key(name) || records.keys().any(|key| key.ends_with(&below))
    };
    if let Some(exact) = records.get(name) {
        return Some(exact);
    }
    if there(name) {
        return Some(&[]);
    }
    let closest = above(name).skip(1).find(|candidate| there(candidate))?;
    records.get(&format!("*.{closest}")).map(Vec::as_slice)
}

/// The zone's SOA: its own, or one as Route 53 makes it.
fn soa(apex: &str, records: &Records) -> Record {
    let name = fqdn(apex).unwrap_or_default();
    let own = records.get(apex).into_iter().flatten().find(|(_, known, _)| *known == RecordType::SOA);
    if let Some((ttl, _, data)) = own {
        return Record::from_rdata(name, *ttl, data.clone());
    }
    let server = records.get(apex).into_iter().flatten().find_map(|(_, _, data)| match data {
        RData::NS(server) => Some(server.0.clone()),
        _ => None,
    });
    let of = |label: &str| fqdn(&format!("{label}.{apex}")).unwrap_or_default();
    let data =
        SOA::new(server.unwrap_or_else(|| of("ns")), of("hostmaster"), 1, 7200, 900, 1_209_600, NEGATIVE_TTL);
    Record::from_rdata(name, NEGATIVE_TTL, RData::SOA(data))
}

fn fqdn(name: &str) -> Result<Name, String> {
    let mut name = Name::from_ascii(name).map_err(|error| format!("{name:?} is no name: {error}"))?;
    name.set_fqdn(true);
    Ok(name)
}

fn rdata(data: &RecordData) -> Result<Vec<RData>, String> {
    match data {
        RecordData::A(addresses) => Ok(addresses.iter().map(|address| RData::A((*address).into())).collect()),
        RecordData::Cname(target) => Ok(vec![RData::CNAME(CNAME(fqdn(target)?))]),
        RecordData::Ns(servers) => servers.iter().map(|server| Ok(RData::NS(NS(fqdn(server)?)))).collect(),
        RecordData::Txt(texts) => Ok(texts.iter().map(|text| RData::TXT(txt(text))).collect()),
        RecordData::Other(record_type, texts) => {
            let known = RecordType::from_str(&record_type.to_ascii_uppercase())
                .map_err(|_| format!("the record type {record_type} is not known"))?;
            let parse = |text: &String| {
                RData::try_from_str(known, text)
                    .map_err(|error| format!("the {record_type} record {text:?} cannot be read: {error}"))
            };
            texts.iter().map(parse).collect()
        }
    }
}

/// A text in pieces of 255 bytes, which is what a character string holds.
fn txt(text: &str) -> TXT {
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
    TXT::from_bytes(if pieces.is_empty() { vec![b""] } else { pieces })
}

#[cfg(test)]
mod tests;
