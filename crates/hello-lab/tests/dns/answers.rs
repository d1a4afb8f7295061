//! What a server says over the wire.

use crate::support::{Bench, SERVER, addresses, question, zone};
use hello_lab::dns::model::{RecordData, RecordSet};
use hickory_server::proto::{
    op::{OpCode, ResponseCode},
    rr::{DNSClass, RData, RecordType},
};
use std::net::Ipv4Addr;

#[tokio::test]
async fn a_server_answers_over_udp_and_tcp_and_turns_addresses_round() {
    let bench = Bench::new();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1], [10, 0, 0, 2]])], None)).await;
    let first = bench.ask(SERVER, "www.example.com.", RecordType::A);
    assert!(first.metadata.authoritative && !first.metadata.recursion_available);
    assert_eq!(first.answers[0].ttl, 60);
    let second = bench.ask_tcp(SERVER, "www.example.com.", RecordType::A);
    let (mut first, second) = (addresses(&first), addresses(&second));
    assert_ne!(first, second);
    first.reverse();
    assert_eq!(first, second);
}

#[tokio::test]
async fn nobody_and_nothing_and_not_ours_are_three_different_answers() {
    let bench = Bench::new();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None)).await;
    let nobody = bench.ask(SERVER, "nobody.example.com.", RecordType::A);
    assert_eq!(nobody.metadata.response_code, ResponseCode::NXDomain);
    assert!(matches!(nobody.authorities[..], [ref soa] if matches!(soa.data, RData::SOA(_))));
    let nothing = bench.ask(SERVER, "www.example.com.", RecordType::AAAA);
    assert_eq!((nothing.metadata.response_code, nothing.answers.len()), (ResponseCode::NoError, 0));
    assert_eq!(nothing.authorities.len(), 1);
    assert_eq!(bench.code(SERVER, "www.example.org."), ResponseCode::Refused);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_udp_is_cut_and_whole_over_tcp() {
    let bench = Bench::new();
    let many: Vec<_> = (0..200).map(|last| [10, 0, 1, last]).collect();
    bench.serve(&zone("example.com", &[("many.example.com", &many)], None)).await;
    let cut = bench.ask(SERVER, "many.example.com.", RecordType::A);
    assert!(cut.metadata.truncation && cut.answers.len() < 200, "{} answers", cut.answers.len());
    let (_, small) = question("many.example.com.", RecordType::A, None);
    let smaller = bench.send_udp(SERVER, small);
    assert!(smaller.metadata.truncation && smaller.answers.len() < cut.answers.len());
    assert_eq!(bench.ask_tcp(SERVER, "many.example.com.", RecordType::A).answers.len(), 200);
}

#[tokio::test]
async fn what_is_no_question_for_it_is_refused_and_does_not_end_it() {
    let bench = Bench::new();
    bench.serve(&zone("example.com", &[("www.example.com", &[[10, 0, 0, 1]])], None)).await;
    let (mut chaos, _) = question("version.bind.", RecordType::TXT, None);
    chaos.queries[0].set_query_class(DNSClass::CH);
    assert_eq!(bench.send_udp(SERVER, chaos.to_vec().unwrap()).metadata.response_code, ResponseCode::Refused);
    let (mut notify, _) = question("example.com.", RecordType::SOA, None);
    notify.metadata.op_code = OpCode::Notify;
    assert_eq!(bench.send_udp(SERVER, notify.to_vec().unwrap()).metadata.response_code, ResponseCode::NotImp);
    let (_, mut garbage) = question("www.example.com.", RecordType::A, None);
    garbage.truncate(20);
    assert_eq!(bench.send_udp(SERVER, garbage).metadata.response_code, ResponseCode::FormErr);
    assert_eq!(bench.addresses(SERVER, "www.example.com."), [Ipv4Addr::new(10, 0, 0, 1)]);
}

#[tokio::test]
async fn other_record_types_are_answered_as_they_are_written() {
    let bench = Bench::new();
    let mut data = zone("example.com", &[], None);
    let text = RecordSet { ttl: 300, data: RecordData::Txt(vec!["x".repeat(300)]) };
    let mail = RecordSet {
        ttl: 300,
        data: RecordData::Other("MX".to_owned(), vec!["10 mail.example.com.".to_owned()]),
    };
    data.zones.get_mut("example.com").unwrap().names.insert("example.com".to_owned(), vec![text, mail]);
    bench.serve(&data).await;
    let mail = bench.ask(SERVER, "example.com.", RecordType::MX);
    assert_eq!(mail.answers[0].data.to_string(), "10 mail.example.com.");
    let text = bench.ask(SERVER, "example.com.", RecordType::TXT);
    assert!(matches!(&text.answers[0].data, RData::TXT(text) if text.txt_data.concat().len() == 300));
}
