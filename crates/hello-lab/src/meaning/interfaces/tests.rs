use super::super::fixture::{Known, REGION, balancer, resource, vpc};
use super::*;

fn addresses(known: &Known) -> BTreeMap<String, (Ipv4Addr, Option<Ipv4Addr>)> {
    let contents = known.contents();
    let of = |record: &InterfaceRecord| (record.address, record.public_address);
    contents.interfaces.iter().map(|(owner, record)| (owner.clone(), of(record))).collect()
}

#[test]
fn an_address_stays_with_its_owner_until_the_owner_is_gone() {
    let known = Known::of(vpc());
    known.put(balancer("one", &[]));
    let first = addresses(&known);
    let node = &first["eu-west-1/alb/one/subnet-a"];
    assert_eq!(node.0, Ipv4Addr::new(10, 0, 0, 4), "the first four are AWS's own");
    known.put(balancer("another", &[]));
    let second = addresses(&known);
    assert!(first.iter().all(|(owner, given)| second.get(owner) == Some(given)), "{first:?} {second:?}");
    assert_eq!(second["eu-west-1/alb/another/subnet-a"].0, Ipv4Addr::new(10, 0, 0, 5));
    let key = balancer("one", &[]).key();
    known.change(|draft| draft.remove_resource(&key));
    known.put(balancer("third", &[]));
    let third = addresses(&known);
    assert_eq!(third["eu-west-1/alb/third/subnet-a"].0, node.0, "a free address is given again");
    assert_eq!(third["eu-west-1/alb/third/subnet-a"].1, node.1);
}

#[test]
fn a_subnet_that_is_full_refuses_the_next_part_by_name() {
    let known = Known::of(vpc());
    // A /28 has 16 addresses, of which five are AWS's.
    for number in 0..11 {
        known.put(balancer(&format!("b{number}"), &[("internal", true.into())]));
    }
    let one_more =
        known.try_change(|draft| draft.put_resource(balancer("last", &[("internal", true.into())])));
    assert_eq!(
        one_more.unwrap_err(),
        "subnet subnet-b has no free address left for eu-west-1/alb/last/subnet-b"
    );
    let last = addresses(&known)["eu-west-1/alb/b10/subnet-b"].0;
    assert_eq!(last, Ipv4Addr::new(10, 0, 1, 14), "the last one of a subnet is AWS's own");
}

#[test]
fn an_internal_load_balancer_has_no_public_address_and_a_nat_gateway_its_elastic_one() {
    let known = Known::of(vpc());
    let eip = [
        ("allocation_id", Value::from("eip-1")),
        ("id", "eip-1".into()),
        ("public_ip", "203.0.113.77".into()),
    ];
    known.put(resource("aws_eip", &eip));
    let nat =
        [("id", Value::from("nat-1")), ("allocation_id", "eip-1".into()), ("subnet_id", "subnet-a".into())];
    known.put(resource("aws_nat_gateway", &nat));
    known.put(balancer("inside", &[("internal", true.into())]));
    let given = addresses(&known);
    assert_eq!(given["eu-west-1/nat/nat-1"].1, Some(Ipv4Addr::new(203, 0, 113, 77)));
    assert_eq!(given["eu-west-1/alb/inside/subnet-a"].1, None);
}

#[test]
fn every_region_has_a_range_of_its_own_and_the_sixth_is_refused() {
    let known = Known::of(Vec::new());
    let gateway = |region: &str| Resource {
        region: region.to_owned(),
        ..resource("aws_internet_gateway", &[("id", format!("igw-{region}").into())])
    };
    for number in 1..=5 {
        known.put(gateway(&format!("region-{number}")));
    }
    let contents = known.contents();
    let networks: BTreeSet<[u8; 3]> = (1..=5)
        .map(|number| {
            let [a, b, c, _] =
                contents.addresses[&format!("region-{number}/igw/igw-region-{number}")].octets();
            [a, b, c]
        })
        .collect();
    assert_eq!(networks.len(), 5, "{networks:?}");
    let sixth = known.try_change(|draft| draft.put_resource(gateway("region-6"))).unwrap_err();
    assert!(sixth.contains("region-6 is one more"), "{sixth}");
}

#[test]
fn a_database_stands_in_the_subnet_of_its_group_in_its_zone() {
    let known = Known::of(vpc());
    let group = [
        ("id", Value::from("group")),
        ("name", "group".into()),
        ("subnet_ids", Value::strings(["subnet-a", "subnet-b"])),
    ];
    known.put(resource("aws_db_subnet_group", &group));
    let instance = |name: &str, zone: &str| {
        let attributes = [
            ("id", Value::from(name)),
            ("identifier", name.into()),
            ("availability_zone", format!("{REGION}{zone}").into()),
            ("db_subnet_group_name", "group".into()),
        ];
        resource("aws_db_instance", &attributes)
    };
    known.put(instance("primary", "b"));
    known.put(instance("replica", "a"));
    let contents = known.contents();
    assert_eq!(contents.interfaces["eu-west-1/db/primary"].subnet, "subnet-b");
    assert_eq!(contents.interfaces["eu-west-1/db/replica"].subnet, "subnet-a");
}
