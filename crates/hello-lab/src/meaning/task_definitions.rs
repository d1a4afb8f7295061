//! Revisions of task definitions.
//!
//! A family's revisions count on for ever. One that was deregistered, as Terraform does with the one it replaces, still
//! serves the services that run it: they start further tasks of it, and go back to it
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deregister-task-definition-v2.html>).

use crate::world::{Contents, Draft, Resource};

/// The type of a task definition.
pub const TYPE: &str = "aws_ecs_task_definition";

/// The next revision of a family: one that it never had.
pub fn next_revision(draft: &mut Draft, region: &str, family: &str) -> i64 {
    let setting = format!("revision/{region}/{family}");
    let last: i64 = draft.contents.settings.get(&setting).and_then(|text| text.parse().ok()).unwrap_or(0);
    let next = last + 1;
    draft.put_setting(&setting, &next.to_string());
    next
}

/// Keeps a definition that Terraform has let go of for as long as a service needs it.
pub fn retire(draft: &mut Draft, definition: &Resource) {
    let arn = definition.text("arn").to_owned();
    if is_needed(&draft.contents, &arn) {
        let mut state = definition.state.clone();
        // The family's name is its next revision's.
        state.set("id", arn.into());
        draft.put_resource(Resource { state, deleting: true, acknowledged: true, ..definition.clone() });
    }
}

/// Forgets the definitions that no service needs any more.
pub fn forget_retired(draft: &mut Draft) {
    let retired = retired(&draft.contents);
    let gone: Vec<_> = retired.filter(|known| !is_needed(&draft.contents, known.text("arn"))).collect();
    let keys: Vec<_> = gone.into_iter().map(Resource::key).collect();
    for key in keys {
        draft.remove_resource(&key);
    }
}

/// Is there one that Terraform has let go of?
pub fn has_retired(contents: &Contents) -> bool {
    retired(contents).next().is_some()
}

/// Is it a definition that Terraform has let go of?
pub fn is_retired(resource: &Resource) -> bool {
    resource.type_name == TYPE && resource.deleting && resource.text("id") == resource.text("arn")
}

fn retired(contents: &Contents) -> impl Iterator<Item = &Resource> {
    contents.of_type(TYPE).map(AsRef::as_ref).filter(|known: &&Resource| is_retired(known))
}

fn is_needed(contents: &Contents, arn: &str) -> bool {
    let named = contents.of_type("aws_ecs_service").any(|service| service.text("task_definition") == arn);
    let recorded = contents
        .services
        .values()
        .any(|service| service.steady.as_deref() == Some(arn) || service.deployment.definition == arn);
    let runs = contents.tasks.values().any(|task| task.stopped.is_none() && task.definition == arn);
    named || recorded || runs
}
