//! The diagram as text, with live state: what `hello-lab status` shows.

use crate::{
    board::{Condition, part},
    database,
    environment::DOMAIN,
    meaning::{catalogue, load_balancers, network},
    world::{Contents, Resource, TaskWish},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// What the picture is drawn from.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The lab's name.
    pub lab: &'a str,
    /// Resources and records.
    pub contents: &'a Contents,
    /// How the parts fare.
    pub board: &'a BTreeMap<String, Condition>,
    /// What each task is doing, in a few words, by identifier.
    pub tasks: &'a BTreeMap<String, String>,
    /// Owners of parts in which a process is stopped.
    pub frozen: &'a BTreeSet<String>,
    /// Owners of databases whose storage a fault has filled.
    pub filled: &'a BTreeSet<String>,
    /// The port of this machine that leads to the load balancer; `None` while there is none.
    pub port: Option<u16>,
}

/// The picture, line by line.
pub fn picture(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let address = facts.port.map(|port| format!("https://{DOMAIN}:{port}"));
    lines.push(format!("lab {}: {}", facts.lab, address.as_deref().unwrap_or("nothing is published yet")));
    for vpc in facts.contents.of_type("aws_vpc") {
        lines.push(String::new());
        lines.push(format!("{}  {} {} ({})", vpc.region, vpc.text("id"), vpc.text("cidr_block"), tag(vpc)));
        for gateway in facts.contents.of_type("aws_internet_gateway") {
            if gateway.text("vpc_id") == vpc.text("id") {
                lines.push(format!("  internet gateway {}", gateway.text("id")));
            }
        }
        let subnets = facts.contents.of_type("aws_subnet");
        let mut subnets: Vec<_> = subnets.filter(|subnet| subnet.text("vpc_id") == vpc.text("id")).collect();
        subnets.sort_by_key(|subnet| (subnet.text("availability_zone"), tag(subnet), subnet.text("id")));
        for subnet in subnets {
            lines.push(format!(
                "  {} {:<16} {}",
                subnet.text("availability_zone"),
                subnet.text("cidr_block"),
                tag(subnet)
            ));
            lines.extend(inside(facts, subnet.text("id")).into_iter().map(|line| format!("      {line}")));
        }
        for service in
            facts.contents.of_type("aws_ecs_service").filter(|service| service.region == vpc.region)
        {
            let part = part::service(&service.region, &service.state);
            let shown = part::shown(&part, facts.board.keys().map(String::as_str));
            let name = shown.split_once('/').map_or(shown.as_str(), |(_, name)| name);
            lines.push(format!("  service {name}: {}", condition(facts, &part)));
        }
    }
    let unsettled = facts
        .board
        .iter()
        .filter(|(_, condition)| matches!(condition, Condition::Pending(_) | Condition::Failed(..)));
    let mut head = false;
    for (name, condition) in unsettled {
        if !head {
            lines.extend([String::new(), "not as they should be:".to_owned()]);
            head = true;
        }
        let name = part::shown(name, facts.board.keys().map(String::as_str));
        lines.push(format!("  {name}: {}", words(condition)));
    }
    // Interfaces say so themselves.
    let broken = facts.contents.cuts.union(facts.frozen);
    for owner in broken.filter(|owner| !facts.contents.interfaces.contains_key(*owner)) {
        if !head {
            lines.extend([String::new(), "not as they should be:".to_owned()]);
            head = true;
        }
        let name = owner.split_once('/').map_or(owner.as_str(), |(_, name)| name);
        lines.push(format!("  {name}: {}", faults(facts, owner).join(", ")));
    }
    let mut recorded: BTreeMap<&str, usize> = BTreeMap::new();
    for key in facts.contents.resources.keys() {
        if catalogue::depth(&key.type_name) == catalogue::Depth::Recorded {
            *recorded.entry(&key.type_name).or_default() += 1;
        }
    }
    if !recorded.is_empty() {
        lines.extend([String::new(), "recorded, not modelled:".to_owned()]);
        lines.extend(recorded.iter().map(|(name, count)| format!("  {count:>3} {name}")));
    }
    lines
}

fn tag(resource: &Resource) -> &str {
    resource.state.get("tags").get("Name").as_str().unwrap_or("without a name")
}

/// What stands in a subnet.
fn inside(facts: &Facts<'_>, subnet: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (owner, interface) in
        facts.contents.interfaces.iter().filter(|(_, interface)| interface.subnet == subnet)
    {
        let public = interface.public_address.map(|address| format!(" = {address}")).unwrap_or_default();
        let faults: String = faults(facts, owner).iter().map(|fault| format!("  {fault}")).collect();
        let mut line = String::new();
        let mut words = owner.split('/').skip(1);
        let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let region = &interface.region;
        let known = match kind {
            "nat" => format!("NAT gateway {name}"),
            "db" => format!("RDS {name}: {}", condition(facts, &part::database(region, name))),
            "alb" => {
                let node = words.next().unwrap_or_default();
                format!(
                    "load balancer {name}/{node}: {}",
                    condition(facts, &part::load_balancer(region, name))
                )
            }
            "task" => format!("task {name}: {}", task(facts, name)),
            _ => owner.clone(),
        };
        // A text can always be written to a text.
        let _ = write!(line, "{:<15}{public:<18} {known}{faults}", interface.address.to_string());
        lines.push(line);
    }
    lines
}

/// What `hello-lab fault` has done to a part, as it is seen on the part itself.
fn faults(facts: &Facts<'_>, owner: &str) -> Vec<&'static str> {
    let faults = [
        (facts.contents.cuts.contains(owner), "CUT OFF"),
        (facts.frozen.contains(owner), "FROZEN"),
        (facts.filled.contains(owner), "FILLED"),
    ];
    faults.into_iter().filter_map(|(is_there, word)| is_there.then_some(word)).collect()
}

fn task(facts: &Facts<'_>, id: &str) -> String {
    let status = facts.tasks.get(id).map_or("not started yet", String::as_str);
    match facts.contents.tasks.get(id).map(|task| &task.wish) {
        Some(TaskWish::Drain { .. }) => format!("{status}, drains"),
        Some(TaskWish::Stop { .. }) => format!("{status}, stops"),
        _ => status.to_owned(),
    }
}

fn condition(facts: &Facts<'_>, part: &str) -> String {
    facts.board.get(part).map_or_else(|| "nothing is known of it yet".to_owned(), words)
}

fn words(condition: &Condition) -> String {
    match condition {
        Condition::Ready(_) => "ready".to_owned(),
        Condition::Gone => "gone".to_owned(),
        Condition::Pending(sentence) | Condition::Failed(_, sentence) => sentence.clone(),
    }
}

/// The owner that a part's name means: `db/hello`, `task/1a2b`, `alb/hello-alb`, `nat/...`, `igw/...`, `dns/VPC`, `registry`,
/// with or without its region, and as short as it is unique.
pub fn owner_of(contents: &Contents, name: &str) -> Result<String, String> {
    let without_region =
        |owner: &str| owner.split_once('/').map_or_else(|| owner.to_owned(), |(_, rest)| rest.to_owned());
    // A whole name means its part, though another's may begin with it: db/hello and db/hello-replica.
    let whole = |owner: &&String| owner.as_str() == name || without_region(owner) == name;
    let begins = |owner: &&String| without_region(owner).starts_with(name);
    let owners = network::owners(contents);
    let mut found: Vec<&String> = owners.iter().filter(whole).collect();
    if found.is_empty() {
        found = owners.iter().filter(begins).collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known: Vec<&str> = owners.iter().filter_map(|owner| Some(owner.split_once('/')?.1)).collect();
            Err(format!("there is no part {name:?}; there are: {}", known.join(", ")))
        }
        several => {
            let names: Vec<&str> = several.iter().map(|owner| owner.as_str()).collect();
            Err(format!("{name:?} may mean: {}", names.join(", ")))
        }
    }
}

/// The database instance of a name: its identifier, with the region before it (`eu-west-1/hello`) where several regions
/// have it.
pub fn database<'a>(contents: &'a Contents, name: &str) -> Result<&'a Resource, String> {
    let key = |instance: &Resource| database::key(&instance.region, instance.text("identifier"));
    let all: Vec<&Resource> = contents.of_type("aws_db_instance").map(AsRef::as_ref).collect();
    let is_meant = |instance: &&&Resource| instance.text("identifier") == name || key(instance) == name;
    match all.iter().filter(is_meant).copied().collect::<Vec<_>>().as_slice() {
        [one] => Ok(one),
        [] => {
            let known: Vec<&str> = all.iter().map(|instance| instance.text("identifier")).collect();
            Err(format!("there is no database instance {name:?}; there are: {}", known.join(", ")))
        }
        several => {
            let names: Vec<String> = several.iter().map(|instance| key(instance)).collect();
            Err(format!("{name:?} may mean: {}", names.join(", ")))
        }
    }
}

/// The name of the load balancer that the published port leads to.
pub fn published(contents: &Contents) -> Option<String> {
    load_balancers::all(contents)
        .find(|balancer| balancer.state.get("internal").as_bool() != Some(true))
        .map(|balancer| balancer.text("dns_name").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::InterfaceRecord;
    use terraform_provider_aws::value::Value;

    fn contents(owners: &[&str]) -> Contents {
        let record = InterfaceRecord {
            id: "eni-1".to_owned(),
            region: "eu-west-1".to_owned(),
            subnet: "subnet-a".to_owned(),
            address: [10, 0, 0, 4].into(),
            public_address: None,
        };
        let interfaces = owners.iter().map(|owner| ((*owner).to_owned(), record.clone())).collect();
        Contents { interfaces, ..Contents::default() }
    }

    #[test]
    fn what_is_broken_on_purpose_is_marked_on_its_part() {
        let mut contents = contents(&["eu-west-1/db/hello", "eu-west-1/task/1a2b"]);
        let resource = |type_name: &str, state: &[(&'static str, Value)]| {
            let resource = Resource {
                type_name: type_name.to_owned(),
                region: "eu-west-1".to_owned(),
                state: Value::object(state.iter().cloned()),
                config: Value::Null,
                acknowledged: true,
                made_in: 0,
                made_at: 0,
                deleting: false,
            };
            (resource.key(), std::sync::Arc::new(resource))
        };
        contents.resources.extend([
            resource("aws_vpc", &[("id", "vpc-1".into())]),
            resource("aws_subnet", &[("id", "subnet-a".into()), ("vpc_id", "vpc-1".into())]),
        ]);
        contents.cuts.extend(["eu-west-1/task/1a2b".to_owned(), "internet/client".to_owned()]);
        let owners = |owners: &[&str]| owners.iter().map(|owner| (*owner).to_owned()).collect();
        let frozen = owners(&["eu-west-1/db/hello", "eu-west-1/task/1a2b", "internet/registry"]);
        let filled = owners(&["eu-west-1/db/hello"]);
        let (board, tasks) = (BTreeMap::new(), BTreeMap::new());
        let facts = Facts {
            lab: "test",
            contents: &contents,
            board: &board,
            tasks: &tasks,
            frozen: &frozen,
            filled: &filled,
            port: None,
        };
        let lines = picture(&facts);
        let ends =
            |word: &str, end: &str| lines.iter().any(|line| line.contains(word) && line.ends_with(end));
        assert!(ends("RDS hello", "yet  FROZEN  FILLED"), "{lines:#?}");
        assert!(ends("task 1a2b", "not started yet  CUT OFF  FROZEN"), "{lines:#?}");
        assert!(ends("  client", ": CUT OFF") && ends("  registry", ": FROZEN"), "{lines:#?}");
        let lines = picture(&Facts { frozen: &BTreeSet::new(), filled: &BTreeSet::new(), ..facts });
        assert!(!lines.iter().any(|line| line.contains("FROZEN") || line.contains("FILLED")), "{lines:#?}");
    }

    #[test]
    fn a_part_is_found_by_as_much_of_its_name_as_is_unique() {
        let contents = contents(&["eu-west-1/task/1a2b", "eu-west-1/task/9f", "eu-west-1/db/hello"]);
        assert_eq!(owner_of(&contents, "task/1a").unwrap(), "eu-west-1/task/1a2b");
        assert_eq!(owner_of(&contents, "db/hello").unwrap(), "eu-west-1/db/hello");
        assert!(owner_of(&contents, "task").unwrap_err().contains("may mean"));
        assert!(owner_of(&contents, "alb").unwrap_err().contains("db/hello"));
    }

    #[test]
    fn a_database_is_found_by_its_identifier_while_only_one_region_has_it() {
        let world = |regions: &[&str]| {
            let mut contents = Contents::default();
            for region in regions {
                let resource = Resource {
                    type_name: "aws_db_instance".to_owned(),
                    region: (*region).to_owned(),
                    state: Value::object([("id", Value::from("db")), ("identifier", "hello".into())]),
                    config: Value::Null,
                    acknowledged: true,
                    made_in: 0,
                    made_at: 0,
                    deleting: false,
                };
                contents.resources.insert(resource.key(), std::sync::Arc::new(resource));
            }
            contents
        };
        let one = world(&["eu-west-1"]);
        assert_eq!(database(&one, "hello").unwrap().region, "eu-west-1");
        assert!(database(&one, "other").unwrap_err().contains("there are: hello"));
        let two = world(&["eu-west-1", "eu-central-1"]);
        assert!(database(&two, "hello").unwrap_err().contains("eu-central-1/hello, eu-west-1/hello"));
        assert_eq!(database(&two, "eu-central-1/hello").unwrap().region, "eu-central-1");
    }

    #[test]
    fn a_whole_name_means_its_part_though_another_begins_with_it() {
        let contents = contents(&["eu-west-1/db/hello", "eu-west-1/db/hello-replica"]);
        assert_eq!(owner_of(&contents, "db/hello").unwrap(), "eu-west-1/db/hello");
        assert!(owner_of(&contents, "db/hel").unwrap_err().contains("may mean"));
    }

    #[test]
    fn what_is_not_an_interface_has_a_name_too() {
        let mut contents = contents(&["eu-west-1/db/hello"]);
        contents.addresses.insert("eu-west-1/igw/igw-1".to_owned(), [203, 0, 113, 10].into());
        contents.addresses.insert("eu-west-1/dns/vpc-1".to_owned(), [203, 0, 113, 11].into());
        contents.addresses.insert("eu-west-1/range".to_owned(), [203, 0, 113, 0].into());
        for (name, owner) in [
            ("registry", "internet/registry"),
            ("internet-dns", "internet/internet-dns"),
            ("igw/igw-1", "eu-west-1/igw/igw-1"),
            ("dns", "eu-west-1/dns/vpc-1"),
        ] {
            assert_eq!(owner_of(&contents, name).unwrap(), owner);
        }
        let known = owner_of(&contents, "nobody").unwrap_err();
        assert!(known.split(&[' ', ',']).all(|name| name != "range"), "{known}");
    }
}
