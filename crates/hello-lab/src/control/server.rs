//! The side of the daemon.

use super::{Reply, Request};
use crate::timeouts;
use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, watch},
};

/// Callers at once; each has one request.
const MAX_CALLERS: usize = 64;
/// Of those, callers that follow something. The rest is for those who come with a question.
const MAX_FOLLOWERS: usize = 32;
/// Bytes of a request.
const MAX_REQUEST: u64 = 64 << 10;
/// Lines that an answer may be ahead of its reader.
const BACKLOG: usize = 256;

/// Answers requests.
#[async_trait::async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one; lines go to `replies` as they come. The result is shown last.
    async fn handle(&self, request: Request, replies: &Replies) -> Result<String, String>;
}

/// Where the lines of an answer go.
#[derive(Clone, Debug)]
pub struct Replies(mpsc::Sender<Reply>);

impl Replies {
    /// Lines that go into a channel.
    #[cfg(test)]
    pub(crate) fn to(sender: mpsc::Sender<Reply>) -> Replies {
        Replies(sender)
    }

    /// Sends a line. `false` once nobody reads any more.
    pub async fn line(&self, text: impl Into<String>) -> bool {
        self.0.send(Reply::Line(text.into())).await.is_ok()
    }

    /// Waits until nobody reads any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Binds the socket, which root alone may use, in place of one left over.
pub fn bind(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `stop` turns true.
pub async fn serve(listener: UnixListener, handler: Arc<dyn Handler>, mut stop: watch::Receiver<bool>) {
    let callers = Arc::new(Semaphore::new(MAX_CALLERS));
    let followers = Arc::new(Semaphore::new(MAX_FOLLOWERS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            // A caller that has gone already, or no file descriptor left for the moment.
            Err(error) => {
                tracing::warn!("failed to accept: {error}");
                tokio::time::sleep(timeouts::ACCEPT).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&callers).try_acquire_owned() else {
            refuse(&stream, &format!("{MAX_CALLERS} callers are being answered already; try it again"));
            continue;
        };
        let (handler, followers) = (Arc::clone(&handler), Arc::clone(&followers));
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = answer(stream, handler.as_ref(), &followers).await {
                tracing::debug!("a caller went away: {error}");
            }
        });
    }
}

/// Says no to a caller without waiting for it.
fn refuse(stream: &UnixStream, sentence: &str) {
    let reply = serde_json::to_string(&Reply::Error(sentence.to_owned())).expect("a reply is JSON");
    // It may have gone.
    let _ = stream.try_write(format!("{reply}\n").as_bytes());
}

async fn answer(stream: UnixStream, handler: &dyn Handler, followers: &Semaphore) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(MAX_REQUEST));
    tokio::time::timeout(timeouts::CONTROL_REQUEST, reader.read_line(&mut line))
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (sender, mut replies) = mpsc::channel(BACKLOG);
    let work = async {
        let last = match serde_json::from_str::<Request>(&line) {
            Err(error) => Reply::Error(format!("the request cannot be read: {error}")),
            Ok(request) => {
                let place = request.follows().then(|| followers.try_acquire()).transpose();
                match place {
                    Err(_) => Reply::Error(format!(
                        "{MAX_FOLLOWERS} callers follow events or logs already: end one of them first"
                    )),
                    Ok(_place) => match handler.handle(request, &Replies(sender.clone())).await {
                        Ok(result) => Reply::Done(result),
                        Err(sentence) => Reply::Error(sentence),
                    },
                }
            }
        };
        // The caller may have gone.
        let _ = sender.send(last).await;
        drop(sender);
    };
    let send = async {
        while let Some(reply) = replies.recv().await {
            let mut bytes = serde_json::to_vec(&reply).expect("a reply is JSON");
            bytes.push(b'\n');
            tokio::time::timeout(timeouts::CONTROL_WRITE, write.write_all(&bytes))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            if !matches!(reply, Reply::Line(_)) {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    // A caller that hangs up ends its request, a follower's above all.
    let mut inner = reader.into_inner().into_inner();
    let hung_up = async {
        let mut byte = [0];
        let _ = inner.read(&mut byte).await;
    };
    tokio::select! {
        (result, ()) = async { tokio::join!(send, work) } => result,
        () = hung_up => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Client, ControlError};

    struct Echo;

    #[async_trait::async_trait]
    impl Handler for Echo {
        async fn handle(&self, request: Request, replies: &Replies) -> Result<String, String> {
            match request {
                Request::Status => {
                    replies.line("one").await;
                    replies.line("two").await;
                    Ok("result".to_owned())
                }
                Request::Events { follow: true, .. } => {
                    replies.line("follows").await;
                    replies.closed().await;
                    Ok(String::new())
                }
                _ => Err("not that".to_owned()),
            }
        }
    }

    async fn with_server(test: impl AsyncFn(&Path)) {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(bind(&socket).unwrap(), Arc::new(Echo), stopped));
        test(&socket).await;
        stop.send(true).unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn lines_come_before_the_result() {
        with_server(async |socket| {
            let mut lines = Vec::new();
            let client = Client::connect("test", socket).await.unwrap();
            let result = client.ask(&Request::Status, |line| lines.push(line.to_owned())).await.unwrap();
            assert_eq!((lines, result.as_str()), (vec!["one".to_owned(), "two".to_owned()], "result"));
        })
        .await;
    }

    #[tokio::test]
    async fn a_refusal_is_its_sentence() {
        with_server(async |socket| {
            let client = Client::connect("test", socket).await.unwrap();
            let error = client.ask(&Request::Stop, |_| ()).await.unwrap_err();
            assert!(matches!(error, ControlError::Refused(sentence) if sentence == "not that"));
        })
        .await;
    }

    #[tokio::test]
    async fn a_lab_that_does_not_run_is_told_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let error = Client::connect("mine", &directory.path().join("none")).await.unwrap_err();
        assert!(error.to_string().contains("`hello-lab --lab mine up` starts it"), "{error}");
    }

    #[tokio::test]
    async fn those_who_follow_leave_room_for_a_question() {
        with_server(async |socket| {
            let mut follow = serde_json::to_vec(&Request::Events { follow: true, last: 0 }).unwrap();
            follow.push(b'\n');
            let mut followers = Vec::new();
            for _ in 0..MAX_FOLLOWERS {
                let mut stream = UnixStream::connect(socket).await.unwrap();
                stream.write_all(&follow).await.unwrap();
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                assert!(line.contains("follows"), "{line}");
                followers.push(stream);
            }
            let one_more = Client::connect("test", socket).await.unwrap();
            let refused = one_more.ask(&Request::Events { follow: true, last: 0 }, |_| ()).await.unwrap_err();
            assert!(refused.to_string().contains("end one of them first"), "{refused}");
            let client = Client::connect("test", socket).await.unwrap();
            assert_eq!(client.ask(&Request::Status, |_| ()).await.unwrap(), "result");
        })
        .await;
    }
}
