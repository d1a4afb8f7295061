use super::super::fixture::{Known, resource, vpc};
use super::*;
use terraform_provider_aws::value::Value;

#[test]
fn a_source_and_its_replicas_reach_each_other_on_the_sources_port_alone() {
    let known = Known::of(vpc());
    let instance = |name: &str, attributes: &[(&str, Value)]| {
        let mut all = vec![
            ("id", Value::from(name)),
            ("identifier", name.into()),
            ("arn", format!("arn:{name}").into()),
        ];
        all.extend(attributes.iter().cloned());
        resource("aws_db_instance", &all)
    };
    known.put(instance("alone", &[]));
    known.put(instance("source", &[("port", 6000.into())]));
    assert_eq!(families(&known.contents()), []);
    known.put(instance("one", &[("replicate_source_db", "source".into())]));
    // Another region names its source by ARN.
    known.put(instance("two", &[("replicate_source_db", "arn:source".into())]));
    let families = families(&known.contents());
    let [family] = families.as_slice() else { panic!("{families:?}") };
    let owners = ["one", "source", "two"].map(|name| format!("eu-west-1/db/{name}"));
    assert_eq!(family.owners, owners.into());
    let rule = Rule { protocol: Protocol::Tcp(6000, 6000), peer: Peer::SecurityGroup(family.group.clone()) };
    assert_eq!((&family.rules.ingress, &family.rules.egress), (&[rule.clone()].into(), &[rule].into()));
}
