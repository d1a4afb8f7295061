//! HAProxy's admin socket: commands, and what it says of its servers.
//!
//! `management.txt`, sections 9.1 and 9.3, of HAProxy 2.6.

use crate::timeouts;
use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

/// The admin socket of a process.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    /// Where it is.
    pub(super) socket: PathBuf,
}

impl Admin {
    /// Sends commands, separated by `;`, and gives what is said to them.
    pub(super) async fn ask(&self, commands: &str) -> io::Result<String> {
        let conversation = async {
            let mut stream = self.connect().await?;
            stream.write_all(format!("{commands}\n").as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        match timeout(timeouts::ADMIN_SOCKET, conversation).await {
            Ok(answer) => answer,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("HAProxy does not answer at {}", self.socket.display()),
            )),
        }
    }

    /// Connects by a short name of the directory: the name of a socket has at most 107 bytes (unix(7)), fewer than names
    /// that AWS allows can come to below the lab's directory.
    async fn connect(&self) -> io::Result<UnixStream> {
        let (Some(directory), Some(name)) = (self.socket.parent(), self.socket.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket lies in a directory"));
        };
        let directory = File::open(directory)?;
        UnixStream::connect(Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
            .await
    }

    /// Its servers.
    pub(super) async fn servers(&self) -> io::Result<Vec<Server>> {
        Ok(servers(&self.ask("show stat -1 4 -1").await?))
    }
}

/// What is known of a server's last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// None has ended.
    None,
    /// It passed.
    Passed,
    /// It failed.
    Failed,
}

/// A server of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Its backend.
    pub(super) backend: String,
    /// Its name.
    pub(super) name: String,
    /// Is it in maintenance, as a new or a leaving one is?
    pub(super) maintenance: bool,
    /// Is it up?
    pub(super) up: bool,
    /// Its weight; 0 gets no new request.
    pub(super) weight: u32,
    /// Requests that it has now.
    pub(super) requests: u32,
    /// Its last check.
    pub(super) check: Check,
}

/// Reads `show stat`: comma-separated, with a head line that names the columns.
fn servers(text: &str) -> Vec<Server> {
    let mut lines = text.lines();
    let Some(head) = lines.next().and_then(|line| line.strip_prefix("# ")) else { return Vec::new() };
    let columns: Vec<_> = head.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name);
    let (Some(backend), Some(name), Some(status), Some(weight), Some(requests), Some(check)) = (
        column("pxname"),
        column("svname"),
        column("status"),
        column("weight"),
        column("scur"),
        column("check_status"),
    ) else {
        return Vec::new();
    };
    lines
        .filter_map(|line| {
            let fields: Vec<_> = line.split(',').collect();
            let status = *fields.get(status)?;
            // The way to the rules is a server too, but no target.
            if fields.get(backend)?.starts_with("to-rules-") {
                return None;
            }
            Some(Server {
                backend: (*fields.get(backend)?).to_owned(),
                name: (*fields.get(name)?).to_owned(),
                maintenance: status.starts_with("MAINT"),
                // "UP", "UP 1/3" (going down), "DRAIN" (weight 0), "no check"; "DOWN", "DOWN 1/2", "NOLB", "MAINT".
                up: status.starts_with("UP") || status.starts_with("DRAIN") || status == "no check",
                weight: fields.get(weight)?.parse().unwrap_or(0),
                requests: fields.get(requests)?.parse().unwrap_or(0),
                // While a check runs the last result has a star before it.
                check: match fields.get(check)?.trim_start_matches("* ") {
                    "" | "INI" | "UNK" => Check::None,
                    "L4OK" | "L6OK" | "L7OK" | "L7OKC" => Check::Passed,
                    _ => Check::Failed,
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn a_socket_below_a_long_path_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let long = directory.path().join("x".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let opened = File::open(&long).unwrap();
        let listener =
            UnixListener::bind(format!("/proc/self/fd/{}/admin.sock", opened.as_raw_fd())).unwrap();
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            // A connection that ends with something unread ends with an error.
            let mut command = [0; 13];
            stream.read_exact(&mut command).await.unwrap();
            stream.write_all(b"yes\n").await.unwrap();
        };
        let admin = Admin { socket: long.join("admin.sock") };
        let (said, ()) = tokio::join!(admin.ask("show version"), answer);
        assert_eq!(said.unwrap(), "yes\n");
    }

    #[test]
    fn servers_are_read_by_the_names_of_columns() {
        let text = "# pxname,svname,scur,status,weight,check_status,\n\
                    to-rules-80,rules,0,no check,1,,\n\
                    tg-a,10.0.10.50:8080,2,UP,1,L7OK,\n\
                    new-a,10.0.11.50:8080,0,UP 1/3,1,* L4CON,\n\
                    all-a,10.0.10.50:8080,0,MAINT,0,,\n\
                    \n";
        let servers = servers(text);
        assert_eq!(servers.len(), 3);
        assert_eq!((servers[0].requests, servers[0].up, servers[0].check), (2, true, Check::Passed));
        assert_eq!((servers[1].up, servers[1].check), (true, Check::Failed));
        assert_eq!((servers[2].maintenance, servers[2].up, servers[2].check), (true, false, Check::None));
    }

    #[test]
    fn an_answer_of_another_form_has_no_servers() {
        assert_eq!(servers(""), []);
        assert_eq!(servers("Unknown command\n"), []);
        assert_eq!(servers("# pxname,svname\na,b\n"), []);
    }
}
