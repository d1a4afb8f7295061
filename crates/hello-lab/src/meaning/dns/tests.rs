use super::super::fixture::{Known, balancer, block, object, resource, vpc};
use super::*;

fn zone(id: &str, name: &str, attributes: &[(&str, Value)]) -> Resource {
    let mut all = vec![
        ("id", Value::from(id)),
        ("zone_id", id.into()),
        ("name", name.into()),
        ("name_servers", Value::strings(["ns-1.awsdns.test."])),
    ];
    all.extend(attributes.iter().cloned());
    resource("aws_route53_zone", &all)
}

fn record(name: &str, kind: &str, attributes: &[(&str, Value)]) -> Resource {
    let mut all = vec![
        ("id", Value::from(format!("Z_{name}_{kind}"))),
        ("zone_id", "Z".into()),
        ("name", name.into()),
        ("fqdn", name.into()),
        ("type", kind.into()),
        ("ttl", 60.into()),
    ];
    all.extend(attributes.iter().cloned());
    resource("aws_route53_record", &all)
}

fn of_name(data: &ServerData, zone: &str, name: &str) -> Vec<RecordData> {
    let sets = data.zones[zone].names.get(name).map(Vec::as_slice).unwrap_or_default();
    sets.iter().map(|set| set.data.clone()).collect()
}

#[test]
fn an_alias_follows_its_load_balancer_through_a_change_of_subnets() {
    let known = Known::of(vpc());
    known.put(balancer("edge", &[]));
    known.put(zone("Z", "Hello.Test.", &[]));
    let alias = block(&[("name", "dualstack.EDGE.eu-west-1.elb.amazonaws.com.".into())]);
    known.put(record("hello.test", "A", &[("alias", alias)]));
    let own = |known: &Known| -> BTreeSet<Ipv4Addr> {
        known.contents().interfaces.values().filter_map(|interface| interface.public_address).collect()
    };
    let answered = |known: &Known| {
        let data = internet(&known.contents());
        let found = of_name(&data, "hello.test", "hello.test");
        let [RecordData::Ns(_), RecordData::A(addresses)] = found.as_slice() else {
            panic!("the name has not its servers and its addresses: {found:?}");
        };
        let balancer = of_name(&data, "elb.amazonaws.com", "edge.eu-west-1.elb.amazonaws.com");
        assert_eq!(balancer, [RecordData::A(addresses.clone())]);
        addresses.clone()
    };
    assert_eq!(answered(&known).len(), 2);
    assert_eq!(answered(&known), own(&known));
    known.put(balancer("edge", &[("subnets", Value::strings(["subnet-b"]))]));
    assert_eq!(answered(&known).len(), 1);
    assert_eq!(answered(&known), own(&known));
    known.put(balancer("edge", &[("internal", true.into())]));
    assert!(answered(&known).iter().all(Ipv4Addr::is_private), "an internal one has private addresses only");
}

#[test]
fn an_alias_of_nothing_that_is_known_answers_nothing() {
    let known = Known::of(Vec::new());
    known.put(zone("Z", "hello.test", &[]));
    let alias = block(&[("name", "d111.cloudfront.net".into())]);
    known.put(record("www.hello.test", "A", &[("alias", alias)]));
    assert_eq!(of_name(&internet(&known.contents()), "hello.test", "www.hello.test"), []);
}

#[test]
fn a_private_zone_is_its_vpcs_and_nobody_elses() {
    let known = Known::of(vpc());
    let other = [("id", Value::from("vpc-2")), ("cidr_block", "10.1.0.0/16".into())];
    known.put(resource("aws_vpc", &other));
    known.put(zone("Z", "inside.test", &[("vpc", Value::List(vec![object(&[("vpc_id", "vpc-1".into())])]))]));
    known.put(record("db.inside.test", "CNAME", &[("records", Value::strings(["Primary.rds.test."]))]));
    let contents = known.contents();
    let of = |vpc: &str| resolver(&contents, contents.get("aws_vpc", vpc).unwrap());
    assert!(!internet(&contents).zones.contains_key("inside.test"));
    assert!(!of("vpc-2").zones.contains_key("inside.test"));
    let answered = of_name(&of("vpc-1"), "inside.test", "db.inside.test");
    assert_eq!(answered, [RecordData::Cname("primary.rds.test".to_owned())]);
    assert_eq!(of("vpc-1").forward, Some(InternetHost::Dns.address()), "the rest is the internet's");
}

#[test]
fn records_of_every_type_are_kept_and_the_names_of_databases_are_their_addresses() {
    let known = Known::of(vpc());
    known.put(zone("Z", "hello.test", &[]));
    known.put(record("a.hello.test", "A", &[("records", Value::strings(["192.0.2.1", "192.0.2.2"]))]));
    known.put(record("t.hello.test", "TXT", &[("records", Value::strings(["one", "two"]))]));
    known.put(record("m.hello.test", "MX", &[("records", Value::strings(["10 mail.hello.test"]))]));
    let group =
        [("id", Value::from("g")), ("name", "g".into()), ("subnet_ids", Value::strings(["subnet-a"]))];
    known.put(resource("aws_db_subnet_group", &group));
    let instance = [
        ("id", Value::from("db")),
        ("identifier", "db".into()),
        ("db_subnet_group_name", "g".into()),
        ("address", "db.abc.eu-west-1.rds.amazonaws.com".into()),
    ];
    known.put(resource("aws_db_instance", &instance));
    let contents = known.contents();
    let data = internet(&contents);
    let two = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
    assert_eq!(of_name(&data, "hello.test", "a.hello.test"), [RecordData::A(two.into())]);
    let texts = RecordData::Txt(vec!["one".to_owned(), "two".to_owned()]);
    assert_eq!(of_name(&data, "hello.test", "t.hello.test"), [texts]);
    let mail = RecordData::Other("MX".to_owned(), vec!["10 mail.hello.test".to_owned()]);
    assert_eq!(of_name(&data, "hello.test", "m.hello.test"), [mail]);
    let address = contents.interfaces["eu-west-1/db/db"].address;
    let name = "db.abc.eu-west-1.rds.amazonaws.com";
    let inside = resolver(&contents, contents.get("aws_vpc", "vpc-1").unwrap());
    assert_eq!(of_name(&inside, "rds.amazonaws.com", name), [RecordData::A([address].into())]);
}
