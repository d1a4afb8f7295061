use super::*;
use crate::dns::model::RecordSet;
use std::collections::BTreeSet;

fn a(last: &[u8]) -> RecordSet {
    let addresses: BTreeSet<_> = last.iter().map(|last| Ipv4Addr::new(10, 0, 0, *last)).collect();
    RecordSet { ttl: 60, data: RecordData::A(addresses) }
}

fn cname(target: &str) -> RecordSet {
    RecordSet { ttl: 30, data: RecordData::Cname(target.to_owned()) }
}

fn zone(names: &[(&str, Vec<RecordSet>)]) -> Zone {
    Zone { names: names.iter().map(|(name, sets)| ((*name).to_owned(), sets.clone())).collect() }
}

fn data(forward: Option<Ipv4Addr>) -> Data {
    let example = zone(&[
        ("www.example.com", vec![a(&[1, 2, 3])]),
        ("alias.example.com", vec![cname("WWW.example.com.")]),
        ("chain.example.com", vec![cname("alias.example.com")]),
        ("loop.example.com", vec![cname("loop.example.com")]),
        ("away.example.com", vec![cname("elsewhere.org")]),
        ("across.example.com", vec![cname("host.inner.example.com")]),
        ("*.wild.example.com", vec![a(&[9])]),
        ("x.deep.wild.example.com", vec![a(&[8])]),
        (
            "mail.example.com",
            vec![
                RecordSet {
                    ttl: 300,
                    data: RecordData::Other("MX".to_owned(), vec!["10 www.example.com.".to_owned()]),
                },
                RecordSet {
                    ttl: 300,
                    data: RecordData::Txt(vec!["v=spf1 -all".to_owned(), "x".repeat(300)]),
                },
                RecordSet {
                    ttl: 300,
                    data: RecordData::Other("AAAA".to_owned(), vec!["2001:db8::1".to_owned()]),
                },
            ],
        ),
    ]);
    let inner = zone(&[("host.inner.example.com", vec![a(&[7])])]);
    let model = ServerData {
        zones: BTreeMap::from([("example.com".to_owned(), example), ("inner.example.com".to_owned(), inner)]),
        forward,
    };
    let data = Data::new(&model);
    assert_eq!(data.problems, Vec::<String>::new());
    data
}

fn ask(name: &str, record_type: RecordType) -> Answer {
    data(Some(Ipv4Addr::LOCALHOST)).answer(&fqdn(name).unwrap(), record_type, 0)
}

fn shown(answer: &Answer) -> Vec<String> {
    answer.answers.iter().map(|record| format!("{} {} {}", record.name, record.ttl, record.data)).collect()
}

#[test]
fn addresses_are_turned_round_by_one_with_every_answer() {
    let (data, name) = (data(None), fqdn("www.example.com").unwrap());
    let first = |turn| match data.answer(&name, RecordType::A, turn).answers[0].data {
        RData::A(address) => address.0.octets()[3],
        _ => 0,
    };
    assert_eq!([0, 1, 2, 3].map(first), [1, 2, 3, 1]);
}

#[test]
fn aliases_are_followed_through_all_zones_of_ours() {
    assert_eq!(
        shown(&ask("chain.example.com", RecordType::A)),
        [
            "chain.example.com. 30 alias.example.com.",
            "alias.example.com. 30 WWW.example.com.",
            "WWW.example.com. 60 10.0.0.1",
            "WWW.example.com. 60 10.0.0.2",
            "WWW.example.com. 60 10.0.0.3",
        ]
    );
    assert_eq!(
        shown(&ask("across.example.com", RecordType::A)).last().unwrap(),
        "host.inner.example.com. 60 10.0.0.7"
    );
    assert_eq!(
        shown(&ask("alias.example.com", RecordType::CNAME)),
        ["alias.example.com. 30 WWW.example.com."]
    );
}

#[test]
fn an_alias_that_leads_away_is_asked_elsewhere() {
    let answer = ask("away.example.com", RecordType::A);
    assert_eq!((shown(&answer).len(), answer.elsewhere), (1, Some(fqdn("elsewhere.org").unwrap())));
    let alone = data(None).answer(&fqdn("away.example.com").unwrap(), RecordType::A, 0);
    assert_eq!((alone.code, alone.elsewhere, alone.answers.len()), (ResponseCode::NoError, None, 1));
}

#[test]
fn a_loop_of_aliases_ends() {
    assert_eq!(ask("loop.example.com", RecordType::A).code, ResponseCode::ServFail);
}

#[test]
fn names_are_compared_without_regard_to_case_and_given_back_as_asked() {
    assert!(shown(&ask("wWw.Example.COM", RecordType::A))[0].starts_with("wWw.Example.COM. "));
}

#[test]
fn a_name_that_is_not_there_and_a_type_that_is_not_there_differ() {
    let none = ask("nobody.example.com", RecordType::A);
    assert_eq!((none.code, none.soa.is_some(), none.authoritative), (ResponseCode::NXDomain, true, true));
    let no_data = ask("www.example.com", RecordType::AAAA);
    assert_eq!(
        (no_data.code, no_data.soa.is_some(), no_data.answers.len()),
        (ResponseCode::NoError, true, 0)
    );
    assert_eq!(no_data.soa.unwrap().name, fqdn("example.com").unwrap());
}

#[test]
fn a_name_with_others_below_it_is_there_without_records() {
    assert_eq!(ask("wild.example.com", RecordType::A).code, ResponseCode::NoError);
    assert_eq!(ask("example.com", RecordType::A).code, ResponseCode::NoError);
}

#[test]
fn a_wildcard_stands_for_names_that_are_not_there() {
    assert_eq!(shown(&ask("any.wild.example.com", RecordType::A)), ["any.wild.example.com. 60 10.0.0.9"]);
    assert_eq!(shown(&ask("a.b.wild.example.com", RecordType::A)), ["a.b.wild.example.com. 60 10.0.0.9"]);
    // RFC 4592, 3.3.1: not below a name that is there.
    assert_eq!(ask("y.deep.wild.example.com", RecordType::A).code, ResponseCode::NXDomain);
}

#[test]
fn the_nearest_zone_answers() {
    assert_eq!(shown(&ask("host.inner.example.com", RecordType::A)).len(), 1);
    let none = ask("none.inner.example.com", RecordType::A);
    assert_eq!(none.soa.unwrap().name, fqdn("inner.example.com").unwrap());
}

#[test]
fn what_is_none_of_ours_goes_elsewhere_or_is_refused() {
    let answer = ask("www.example.org", RecordType::A);
    assert_eq!((answer.elsewhere.is_some(), answer.authoritative), (true, false));
    let refused = data(None).answer(&fqdn("www.example.org").unwrap(), RecordType::A, 0);
    assert_eq!(refused.code, ResponseCode::Refused);
    assert!(ask("notexample.com", RecordType::A).elsewhere.is_some());
}

#[test]
fn a_zone_has_an_soa_also_where_none_is_given() {
    let answer = ask("example.com", RecordType::SOA);
    assert_eq!(answer.answers.len(), 1);
    assert!(matches!(answer.answers[0].data, RData::SOA(_)));
}

#[test]
fn other_types_are_given_in_presentation_form() {
    assert_eq!(
        shown(&ask("mail.example.com", RecordType::MX)),
        ["mail.example.com. 300 10 www.example.com."]
    );
    assert_eq!(shown(&ask("mail.example.com", RecordType::TXT)).len(), 2);
    assert_eq!(shown(&ask("mail.example.com", RecordType::AAAA)), ["mail.example.com. 300 2001:db8::1"]);
    assert_eq!(shown(&ask("mail.example.com", RecordType::ANY)).len(), 4);
}

#[test]
fn what_cannot_be_read_is_left_out_and_said() {
    let broken = zone(&[
        (
            "www.example.com",
            vec![
                a(&[1]),
                RecordSet {
                    ttl: 1,
                    data: RecordData::Other("AAAA".to_owned(), vec!["not an address".to_owned()]),
                },
            ],
        ),
        ("x.example.com", vec![RecordSet { ttl: 1, data: RecordData::Other("NONSENSE".to_owned(), vec![]) }]),
    ]);
    let data =
        Data::new(&ServerData { zones: BTreeMap::from([("example.com".to_owned(), broken)]), forward: None });
    assert_eq!(data.problems.len(), 2, "{:?}", data.problems);
    assert_eq!(data.answer(&fqdn("www.example.com").unwrap(), RecordType::A, 0).answers.len(), 1);
}
