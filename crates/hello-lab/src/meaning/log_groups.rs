//! Which log groups there are: those that resources name, those that RDS makes, and those that stay when their resource
//! goes.

use super::databases;
use crate::{
    logs::Group,
    world::{Contents, Draft, Resource},
};
use std::collections::BTreeMap;

/// The type of the resource.
const TYPE: &str = "aws_cloudwatch_log_group";

/// The groups by region and name. One that an instance exports to and that no resource names is made by RDS itself, and
/// keeps its events for ever.
pub fn wanted(contents: &Contents) -> BTreeMap<(String, String), Group> {
    let mut groups = BTreeMap::new();
    for instance in contents.of_type("aws_db_instance") {
        if let Some(name) = databases::log_group(instance) {
            let key = (instance.region.clone(), name.clone());
            groups.insert(key, Group { name, retention_days: None });
        }
    }
    for resource in contents.of_type(TYPE) {
        let name = resource.text("name").to_owned();
        let key = (resource.region.clone(), name.clone());
        if resource.deleting {
            groups.remove(&key);
            continue;
        }
        let days = resource.state.get("retention_in_days").as_i64();
        let days = days.and_then(|days| u32::try_from(days).ok()).filter(|days| *days > 0);
        groups.insert(key, Group { name, retention_days: days });
    }
    groups
}

/// Remembers, when a log group's resource is forgotten, whether the group stays: `skip_destroy` says so.
pub fn forgotten(draft: &mut Draft, resource: &Resource) {
    let setting = setting(&resource.region, resource.text("name"));
    if resource.state.get("skip_destroy").as_bool() == Some(true) {
        draft.put_setting(&setting, "kept");
    } else {
        draft.remove_setting(&setting);
    }
}

/// Does the group stay though no resource names it?
pub fn is_kept(contents: &Contents, region: &str, name: &str) -> bool {
    contents.settings.contains_key(&setting(region, name))
}

fn setting(region: &str, name: &str) -> String {
    format!("kept-log-group/{region}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meaning::fixture::{REGION, resource};
    use std::sync::Arc;
    use terraform_provider_aws::value::Value;

    fn contents(resources: Vec<Resource>) -> Contents {
        let mut contents = Contents::default();
        contents.resources.extend(resources.into_iter().map(|one| (one.key(), Arc::new(one))));
        contents
    }

    #[test]
    fn an_exported_log_has_a_group_with_or_without_a_resource() {
        let instance = |name: &str, exports: &[&str]| {
            let exports = Value::List(exports.iter().map(|name| Value::from(*name)).collect());
            let given = [
                ("id", name.into()),
                ("identifier", name.into()),
                ("enabled_cloudwatch_logs_exports", exports),
            ];
            resource("aws_db_instance", &given)
        };
        let named = "/aws/rds/instance/named/postgresql";
        let given = [("id", named.into()), ("name", named.into()), ("retention_in_days", 7.into())];
        let group = resource(TYPE, &given);
        let mut all = vec![
            instance("named", &["postgresql", "upgrade"]),
            instance("unnamed", &["postgresql"]),
            instance("upgrade", &["upgrade"]),
            instance("none", &[]),
            group,
        ];
        let groups = |resources: &[Resource]| -> Vec<(String, Option<u32>)> {
            let wanted = wanted(&contents(resources.to_vec()));
            assert!(wanted.keys().all(|(region, _)| region == REGION));
            wanted.into_values().map(|group| (group.name, group.retention_days)).collect()
        };
        let unnamed = ("/aws/rds/instance/unnamed/postgresql".to_owned(), None);
        assert_eq!(groups(&all), [(named.to_owned(), Some(7)), unnamed.clone()]);
        // While its resource goes, the group goes; then RDS makes it anew.
        all[4].deleting = true;
        assert_eq!(groups(&all), std::slice::from_ref(&unnamed));
        all.pop();
        assert_eq!(groups(&all), [(named.to_owned(), None), unnamed]);
        all[1].deleting = true;
        assert_eq!(groups(&all), [(named.to_owned(), None)]);
    }
}
