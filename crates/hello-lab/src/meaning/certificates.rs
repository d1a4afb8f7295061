//! Which certificates the lab's authority issues: one for each server that proves who it is.

use super::{interfaces, load_balancers, network::InternetHost};
use crate::{
    tls::Request,
    world::{Contents, Resource},
};
use std::collections::BTreeSet;

/// The name under which the registry is known.
pub const REGISTRY: &str = "ghcr.io";

/// That of the registry.
pub fn of_registry() -> Request {
    Request { names: [REGISTRY.to_owned()].into(), addresses: [InternetHost::Registry.address()].into() }
}

/// That of a database instance; `None` while its address is not given yet.
pub fn of_database(contents: &Contents, instance: &Resource) -> Option<Request> {
    let owner = interfaces::database_owner(&instance.region, instance.text("identifier"));
    let address = contents.interfaces.get(&owner)?.address;
    Some(Request { names: [instance.text("address").to_owned()].into(), addresses: [address].into() })
}

/// That of a listener, by the certificate's ARN.
pub fn of_listener(contents: &Contents, arn: &str) -> Option<Request> {
    let names = load_balancers::certificate_names(contents, arn)?;
    Some(Request { names: names.into_iter().collect(), addresses: BTreeSet::new() })
}

/// All that any part may ask for.
pub fn all(contents: &Contents) -> BTreeSet<Request> {
    let databases = contents.of_type("aws_db_instance").filter_map(|it| of_database(contents, it));
    let listeners =
        contents.of_type("aws_acm_certificate").filter_map(|it| of_listener(contents, it.text("arn")));
    databases.chain(listeners).chain([of_registry()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::fixture::{Known, resource};
    use terraform_provider_aws::value::Value;

    #[test]
    fn a_listeners_request_is_among_all_for_as_long_as_its_certificate_is_there() {
        let known = Known::of(Vec::new());
        assert_eq!(all(&known.contents()), [of_registry()].into());
        let certificate = [
            ("id", Value::from("arn:certificate")),
            ("arn", "arn:certificate".into()),
            ("domain_name", "hello.localhost".into()),
            ("subject_alternative_names", Value::strings(["hello.localhost", "*.hello.localhost"])),
        ];
        known.put(resource("aws_acm_certificate", &certificate));
        let request = of_listener(&known.contents(), "arn:certificate").unwrap();
        assert_eq!(request.names.len(), 2);
        assert_eq!(all(&known.contents()), [of_registry(), request].into());
    }
}
