//! What a container writes, line by line, into its log stream.

use crate::{
    events,
    logs::{stream::LONGEST, stream::Stream},
};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// A stream that standard output and standard error share; nothing where the task keeps no log.
pub type Shared = Arc<Mutex<Option<Stream>>>;

/// Copies until the other end is closed. What cannot be written is lost, as with the non-blocking mode of `awslogs`: a
/// log must not stop a service.
pub async fn copy(from: impl AsyncRead + Unpin, into: Shared) {
    // Read soon, kept small: there are two of these for each container.
    let mut reader = BufReader::with_capacity(8 << 10, from);
    let mut line = Vec::new();
    loop {
        let block = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(block) => block,
        };
        let (piece, whole) = match block.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&block[..end], true),
            None => (block, false),
        };
        let room = LONGEST - line.len();
        let taken = piece.len().min(room);
        line.extend_from_slice(&piece[..taken]);
        let whole = whole && taken == piece.len();
        reader.consume(taken + usize::from(whole));
        if whole || line.len() == LONGEST {
            append(&into, &line);
            line.clear();
        }
    }
    if !line.is_empty() {
        append(&into, &line);
    }
}

fn append(into: &Shared, line: &[u8]) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut stream = into.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(stream) = stream.as_mut()
        && !line.is_empty()
    {
        let _ = stream.append(events::now(), &String::from_utf8_lossy(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        lab::Lab,
        logs::{Group, Logs, reader::Filter},
    };

    #[tokio::test]
    async fn lines_arrive_in_order_and_the_last_one_needs_no_end() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(&Lab::new("output", directory.path(), directory.path()), "eu-west-1");
        logs.put_group(&Group { name: "g".to_owned(), retention_days: None }).unwrap();
        let stream = Arc::new(Mutex::new(Some(logs.stream("g", "s").unwrap())));
        let long = "x".repeat(LONGEST + 5);
        let written = format!("one\r\n\ntwo\n{long}\nthree");
        copy(written.as_bytes(), stream).await;
        let mut reader = logs.read("g", Filter::default());
        let lines: Vec<_> = reader.read_new().unwrap().into_iter().map(|found| found.event.message).collect();
        assert_eq!(lines, ["one", "two", &long[..LONGEST], "xxxxx", "three"]);
    }
}
