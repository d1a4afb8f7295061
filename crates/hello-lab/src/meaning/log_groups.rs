//! Log groups that stay when their resource goes.

use crate::world::{Contents, Draft, Resource};

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
