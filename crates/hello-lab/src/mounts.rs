//! What is mounted, as the kernel lists it for a process.
//!
//! Each mount namespace has a list of its own, and a file system lives as long as one of them has it: unmounting it in
//! the machine's namespace alone does not end it. <https://man7.org/linux/man-pages/man7/mount_namespaces.7.html>

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub path: PathBuf,
    /// What, such as `/dev/loop0`.
    pub source: String,
    /// Nothing can be written: so it was mounted, or the kernel has given up after an error of what it lies on.
    pub read_only: bool,
}

/// What this process sees.
pub fn own() -> io::Result<Vec<Mount>> {
    Ok(parse(&fs::read("/proc/self/mountinfo")?))
}

/// Processes in other mount namespaces, one of each, that see a mount there of what is mounted here at the same path.
pub fn holders(path: &Path) -> Vec<i32> {
    let own = fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
    let mut namespaces = BTreeSet::from([own]);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        // One that has ended sees nothing.
        let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/mnt")) else { return false };
        namespaces.insert(namespace)
            && fs::read(format!("/proc/{pid}/mountinfo"))
                .is_ok_and(|text| parse(&text).iter().any(|mount| mount.path == path))
    })
    .collect()
}

/// <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>
fn parse(text: &[u8]) -> Vec<Mount> {
    let lines = text.split(|byte| *byte == b'\n');
    let mounts = lines.filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        let path = unescaped(fields.nth(4)?);
        let options = fields.next()?;
        // Optional fields end with a hyphen; type and source follow.
        let mut fields = fields.skip_while(|field| *field != b"-").skip(2);
        let (source, super_options) = (fields.next()?, fields.next()?);
        let mut options =
            options.split(|byte| *byte == b',').chain(super_options.split(|byte| *byte == b','));
        Some(Mount {
            path: OsString::from_vec(path).into(),
            source: String::from_utf8_lossy(&unescaped(source)).into_owned(),
            read_only: options.any(|option| option == b"ro" || option == b"emergency_ro"),
        })
    });
    mounts.collect()
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(octal.unwrap_or(*first));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_sources_are_read_whatever_is_in_them() {
        let text = b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
            83 27 7:1 / /a\\040b/volume rw,noatime shared:5 master:2 - ext4 /dev/loop1 rw\n\
            84 27 7:2 / /given-up rw - ext4 /dev/loop2 rw,emergency_ro\n\
            85 27 7:3 / /taken ro,noatime - ext4 /dev/loop3 rw\n\
            86 27 0:1 / /half";
        let mount = |path: &str, source: &str, read_only| Mount {
            path: path.into(),
            source: source.to_owned(),
            read_only,
        };
        let expected = [
            mount("/", "/dev/vda", false),
            mount("/a b/volume", "/dev/loop1", false),
            mount("/given-up", "/dev/loop2", true),
            mount("/taken", "/dev/loop3", true),
        ];
        assert_eq!(parse(text), expected);
        assert_eq!(unescaped(b"\\"), b"\\");
        assert_eq!(unescaped(b"\\9x1"), b"\\9x1");
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(own().unwrap().iter().any(|mount| mount.path == Path::new("/")));
    }
}
