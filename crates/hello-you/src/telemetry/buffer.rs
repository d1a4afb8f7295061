//! The one bounded buffer in front of standard output, and the thread that empties it.
//!
//! Whoever logs copies a line and goes on; only the thread waits for the reader of standard output. Lines that find no
//! room are dropped and counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// One half of 1 MiB: one half fills while the other is written.
const HALF_BYTES: usize = 512 * 1024;
/// From here on the thread does not wait for more lines.
const HURRY_BYTES: usize = HALF_BYTES / 2;
/// How long the thread lets lines gather, so that waking it and writing cost little per line.
const GATHER: Duration = Duration::from_millis(10);
/// How long the end of the process waits for the last lines: whoever reads them may have stopped reading.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Takes lines from every thread.
#[derive(Debug, Clone)]
pub(super) struct LogBuffer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    pending: Mutex<Pending>,
    /// There is something to do for the thread.
    wake: Condvar,
    /// The thread has ended.
    ended: Condvar,
    dropped: IntCounter,
}

#[derive(Debug)]
struct Pending {
    lines: Vec<u8>,
    closing: bool,
    ended: bool,
}

/// The thread that writes. Dropping it waits, for a while, until everything is written.
#[derive(Debug)]
pub(super) struct WriterThread {
    shared: Arc<Shared>,
}

/// Makes a buffer and starts its thread. `dropped` counts lines that found no room or could not be written.
pub(super) fn start(output: Box<dyn Write + Send>, dropped: IntCounter) -> (LogBuffer, WriterThread) {
    let pending = Pending { lines: Vec::with_capacity(HALF_BYTES), closing: false, ended: false };
    let shared = Arc::new(Shared {
        pending: Mutex::new(pending),
        wake: Condvar::new(),
        ended: Condvar::new(),
        dropped,
    });
    let writer = Arc::clone(&shared);
    let spawned =
        thread::Builder::new().name("log-writer".to_owned()).spawn(move || write_lines(&writer, output));
    if spawned.is_err() {
        // Without a thread nobody writes; the service itself is worth more than its log.
        shared.lock().ended = true;
    }
    (LogBuffer { shared: Arc::clone(&shared) }, WriterThread { shared })
}

impl LogBuffer {
    /// Takes a line, which ends with a line break, if there is room for it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = self.shared.lock();
        let before = pending.lines.len();
        let after = before + line.len();
        if pending.ended || after > HALF_BYTES {
            drop(pending);
            self.shared.dropped.inc();
            return;
        }
        pending.lines.extend_from_slice(line);
        drop(pending);
        // The thread sleeps before the first line, and is in no hurry before that many.
        if before == 0 || (before < HURRY_BYTES && after >= HURRY_BYTES) {
            self.shared.wake.notify_one();
        }
    }
}

impl Shared {
    /// A thread that panicked while it held the lock left at worst half a line.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and exchanges them for the empty `spare`. Nothing is left to write if that stays empty.
    fn take(&self, spare: &mut Vec<u8>) {
        let pending = self.lock();
        let pending = self
            .wake
            .wait_while(pending, |pending| pending.lines.is_empty() && !pending.closing)
            .unwrap_or_else(PoisonError::into_inner);
        let (mut pending, _) = self
            .wake
            .wait_timeout_while(pending, GATHER, |pending| {
                pending.lines.len() < HURRY_BYTES && !pending.closing
            })
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut pending.lines, spare);
        pending.ended = spare.is_empty();
    }
}

fn write_lines(shared: &Shared, mut output: Box<dyn Write + Send>) {
    let mut lines = Vec::with_capacity(HALF_BYTES);
    loop {
        shared.take(&mut lines);
        if lines.is_empty() {
            shared.ended.notify_all();
            return;
        }
        if output.write_all(&lines).and_then(|()| output.flush()).is_err() {
            // Every line ends with a line break, so that one piece more than lines comes out.
            let lost = lines.split(|byte| *byte == b'\n').count() - 1;
            shared.dropped.inc_by(lost as u64);
        }
        lines.clear();
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        let mut pending = self.shared.lock();
        pending.closing = true;
        self.shared.wake.notify_one();
        let waited = self.shared.ended.wait_timeout_while(pending, FLUSH_TIMEOUT, |pending| !pending.ended);
        drop(waited);
    }
}

impl<'a> MakeWriter<'a> for LogBuffer {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(self)
    }
}

/// Takes the lines of `tracing-subscriber`, which writes each in one piece.
pub(super) struct LineWriter<'a>(&'a LogBuffer);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Standard output that can be read.
    #[derive(Debug, Clone, Default)]
    pub(in super::super) struct Output(Arc<Mutex<Vec<u8>>>);

    impl Output {
        pub(in super::super) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Standard output whose reader reads nothing until it is let go.
    struct Stuck {
        reached: mpsc::Sender<()>,
        release: mpsc::Receiver<()>,
        output: Output,
    }

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.reached.send(()).unwrap();
            // Ends with an error once the test has dropped its end: from then on nothing is stuck.
            let _ = self.release.recv();
            self.output.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(in super::super) fn counter() -> IntCounter {
        IntCounter::new("dropped", "dropped").unwrap()
    }

    #[test]
    fn every_line_is_written_by_the_end() {
        let output = Output::default();
        let dropped = counter();
        let (buffer, writer) = start(Box::new(output.clone()), dropped.clone());
        thread::scope(|scope| {
            for number in 0..4 {
                let buffer = buffer.clone();
                scope
                    .spawn(move || (0..100).for_each(|_| buffer.push(format!("line {number}\n").as_bytes())));
            }
        });
        drop(writer);
        assert_eq!(output.text().lines().count(), 400);
        assert!(output.text().lines().all(|line| line.len() == "line 0".len()));
        assert_eq!(dropped.get(), 0);
    }

    #[test]
    fn lines_beyond_the_buffer_are_dropped_and_counted() {
        let (reached_sender, reached) = mpsc::channel();
        let (release, release_receiver) = mpsc::channel();
        let output = Output::default();
        let stuck = Stuck { reached: reached_sender, release: release_receiver, output: output.clone() };
        let dropped = counter();
        let (buffer, writer) = start(Box::new(stuck), dropped.clone());
        buffer.push(b"first\n");
        reached.recv_timeout(Duration::from_secs(10)).unwrap();

        let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
        for _ in 0..600 {
            buffer.push(&line);
        }
        assert_eq!(dropped.get(), 600 - 512);

        drop(release);
        drop(writer);
        assert_eq!(output.text().lines().count(), 1 + 512);
    }

    #[test]
    fn lines_after_the_end_and_lines_to_a_closed_output_are_counted() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let dropped = counter();
        let (buffer, writer) = start(Box::new(Closed), dropped.clone());
        buffer.push(b"one\n");
        buffer.push(b"two\n");
        drop(writer);
        assert_eq!(dropped.get(), 2);
        buffer.push(b"three\n");
        assert_eq!(dropped.get(), 3);
    }
}
