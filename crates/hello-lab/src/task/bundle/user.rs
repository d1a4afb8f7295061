//! Who a container runs as: `user` or `user:group` of task or image, as numbers or as names that the image knows.

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use std::{fs::File, io::Read as _, path::Path};

/// A longer file of users is none.
const LONGEST: u64 = 1 << 20;

/// User, group and further groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Numbers of the groups that the user is a member of beside.
    pub groups: Vec<u32>,
}

/// Who `text` is in the image with this root; root where it is empty.
pub fn ids(text: &str, root: &Path) -> Result<Ids, String> {
    resolved(text, &read(root, "etc/passwd"), &read(root, "etc/group"))
}

fn resolved(text: &str, users: &str, groups: &str) -> Result<Ids, String> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    // NAME:PASSWORD:UID:GID:...
    let entry = |wanted: &dyn Fn(&str, u32) -> bool| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, uid, gid) =
                (fields.next()?, fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            wanted(name, uid).then_some((name.to_owned(), uid, gid))
        })
    };
    let found: Option<(String, u32, u32)> = match user.parse::<u32>() {
        Ok(number) => entry(&|_, uid| uid == number).or(Some((String::new(), number, 0))),
        Err(_) => entry(&|name, _| name == user),
    };
    let Some((name, uid, own_group)) = found else {
        return Err(format!("unable to find user {user}: no matching entries in passwd file"));
    };
    // NAME:PASSWORD:GID:MEMBER,MEMBER
    let all = groups.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse::<u32>().ok()?, fields.next().unwrap_or_default()))
    });
    let Some(group) = group.filter(|group| !group.is_empty()) else {
        let member =
            all.filter(|(_, _, members)| !name.is_empty() && members.split(',').any(|member| member == name));
        let groups = member.map(|(_, gid, _)| gid).filter(|gid| *gid != own_group).collect();
        return Ok(Ids { uid, gid: own_group, groups });
    };
    let gid =
        group.parse().ok().or_else(|| all.clone().find(|(name, _, _)| *name == group).map(|(_, gid, _)| gid));
    match gid {
        Some(gid) => Ok(Ids { uid, gid, groups: Vec::new() }),
        None => Err(format!("unable to find group {group}: no matching entries in group file")),
    }
}

/// A file of the image. Links in it lead to its own root.
fn read(root: &Path, path: &str) -> String {
    let mut content = String::new();
    let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(root) = openat(CWD, root, directory, Mode::empty())
        && let Ok(file) = openat2(
            &root,
            path,
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT,
        )
    {
        // An image without such a file, or with one that cannot be read, knows no names.
        let _ = File::from(file).take(LONGEST).read_to_string(&mut content);
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:34::/:/bin/false\nbroken\n";
    const GROUPS: &str = "root:x:0:\nweb:x:34:\nlog:x:50:other,web\nweb2:x:51:webber\n";

    fn of(text: &str) -> (u32, u32, Vec<u32>) {
        let ids = resolved(text, USERS, GROUPS).unwrap();
        (ids.uid, ids.gid, ids.groups)
    }

    #[test]
    fn numbers_need_no_entry() {
        assert_eq!(of("65532:65533"), (65532, 65533, vec![]));
        assert_eq!(of("65532"), (65532, 0, vec![]));
        assert_eq!(resolved("1:2", "", "").unwrap(), Ids { uid: 1, gid: 2, groups: vec![] });
    }

    #[test]
    fn names_are_those_of_the_image() {
        assert_eq!(of("web"), (33, 34, vec![50]));
        assert_eq!(of("33"), (33, 34, vec![50]));
        assert_eq!(of("web:log"), (33, 50, vec![]));
        assert_eq!(of(""), (0, 0, vec![]));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(resolved("nobody", USERS, GROUPS).unwrap_err().contains("unable to find user nobody"));
        assert!(resolved("web:nogroup", USERS, GROUPS).unwrap_err().contains("unable to find group nogroup"));
    }
}
