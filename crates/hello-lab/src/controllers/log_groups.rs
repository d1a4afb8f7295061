//! Log groups: those that are wanted are there, and no others.

use super::{Context, Wake, pause};
use crate::{
    board::{Condition, part},
    lab::Lab,
    logs::Logs,
    meaning::log_groups,
    world::Contents,
};
use std::{collections::BTreeSet, io, sync::Arc};
use tokio::sync::watch;

/// Runs until `stop` turns true.
pub async fn run(context: Arc<Context>, stop: watch::Receiver<bool>) {
    let mut wake = Wake::new(&context, None, stop);
    loop {
        wake.begin();
        let generation = context.world.generation();
        let pass = {
            let context = Arc::clone(&context);
            tokio::task::spawn_blocking(move || pass(&context.lab, &context.world.snapshot()))
        };
        let result = pass.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let well = result.is_ok();
        context.set(
            part::LOGS,
            match result {
                Ok(()) => Condition::Ready(generation),
                Err(error) => Condition::Pending(format!("cannot keep the log groups: {error}")),
            },
        );
        if wake.wait(pause(well)).await.is_none() {
            return;
        }
    }
}

fn pass(lab: &Lab, contents: &Contents) -> io::Result<()> {
    let all = log_groups::wanted(contents);
    // Those of a region without groups go too.
    let mut regions = Logs::regions(lab)?;
    regions.extend(all.keys().map(|(region, _)| region.clone()));
    for region in regions {
        let logs = Logs::new(lab, &region);
        let there = logs.groups()?;
        let wanted = all.iter().filter(|((of, _), _)| *of == region).map(|(_, group)| group);
        for group in wanted.clone().filter(|group| !there.contains(group)) {
            logs.put_group(group)?;
        }
        let wanted: BTreeSet<&str> = wanted.map(|group| group.name.as_str()).collect();
        for group in there.into_iter().filter(|group| !wanted.contains(group.name.as_str())) {
            if !log_groups::is_kept(contents, &region, &group.name) {
                logs.delete_group(&group.name)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{logs::Group, world::Resource};
    use terraform_provider_aws::value::Value;

    fn contents(groups: &[(&str, Option<i64>)]) -> Contents {
        let mut contents = Contents::default();
        for (name, days) in groups {
            let state = [
                ("id", Value::from(*name)),
                ("name", Value::from(*name)),
                ("retention_in_days", days.map_or(Value::Null, Value::from)),
            ];
            let resource = Resource {
                type_name: "aws_cloudwatch_log_group".to_owned(),
                region: "eu-west-1".to_owned(),
                state: Value::object(state),
                config: Value::Null,
                acknowledged: true,
                made_in: 0,
                made_at: 0,
                deleting: false,
            };
            contents.resources.insert(resource.key(), Arc::new(resource));
        }
        contents
    }

    #[test]
    fn groups_come_change_and_go_with_their_resources() {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::new("test".to_owned(), directory.path(), directory.path());
        let logs = Logs::new(&lab, "eu-west-1");
        let group = |name: &str, days| Group { name: name.to_owned(), retention_days: days };
        pass(&lab, &contents(&[("/a", Some(0)), ("/b", Some(7))])).unwrap();
        assert_eq!(logs.groups().unwrap(), [group("/a", None), group("/b", Some(7))]);
        logs.stream("/b", "one").unwrap();
        pass(&lab, &contents(&[("/b", Some(30))])).unwrap();
        assert_eq!(logs.groups().unwrap(), [group("/b", Some(30))]);
        assert_eq!(logs.streams("/b").unwrap(), ["one"], "a new retention is no new group");
        // The last resource of the region.
        pass(&lab, &Contents::default()).unwrap();
        assert_eq!(logs.groups().unwrap(), []);
    }

    #[test]
    fn a_group_that_is_kept_outlives_its_resource() {
        let directory = tempfile::tempdir().unwrap();
        let lab = Lab::new("test".to_owned(), directory.path(), directory.path());
        pass(&lab, &contents(&[("/a", None), ("/b", None)])).unwrap();
        let mut kept = Contents::default();
        kept.settings.insert("kept-log-group/eu-west-1//a".to_owned(), "kept".to_owned());
        pass(&lab, &kept).unwrap();
        let left = Logs::new(&lab, "eu-west-1").groups().unwrap();
        assert_eq!(left.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["/a"]);
    }
}
