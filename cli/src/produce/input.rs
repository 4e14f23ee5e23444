//! Files, one after the other, read on a thread of their own: a slow disk or a silent stdin holds nothing else up.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc as sync;
use std::thread;

use tokio::sync::mpsc;

use super::blocks::Blocks;
use crate::failure::Failure;

/// Blocks between the reader and the producer. What was read always has its place: a Ctrl-C loses no whole line.
const BLOCKS: usize = 4;

/// What the reader found.
#[derive(Debug)]
pub(super) enum Input {
    /// Whole lines of a file.
    Block { file: Arc<str>, bytes: Vec<u8> },
    /// Reading failed: nothing follows.
    Failed(String),
}

/// The reader, as its consumer sees it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) blocks: mpsc::UnboundedReceiver<Input>,
    /// Blocks that are done with, to be filled again: nothing is read without one.
    pub(super) spare: sync::Sender<Vec<u8>>,
    /// All bytes there will be, where that is known.
    pub(super) total: Option<u64>,
}

/// Starts to read the files; stdin if there are none, and for `-`.
///
/// # Errors
/// If one of them cannot be opened: before any is read.
pub(super) fn start(files: &[PathBuf]) -> Result<Reader, Failure> {
    let opened = match files {
        [] => vec![open(Path::new("-"))?],
        files => files.iter().map(|path| open(path)).collect::<Result<_, _>>()?,
    };
    let total = opened.iter().map(|(_, _, size)| *size).sum();
    let (sender, blocks) = mpsc::unbounded_channel();
    let (spare, spares) = sync::channel();
    for _ in 0..BLOCKS {
        let _ = spare.send(Vec::new());
    }
    let read = move || {
        for (file, from, _) in opened {
            if let Err(failed) = read_file(&file, from, &sender, &spares) {
                let _ = sender.send(Input::Failed(format!("{file}: {failed}")));
                return;
            }
        }
    };
    let started = thread::Builder::new().name("reader".into()).spawn(read);
    started.map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))?;
    Ok(Reader { blocks, spare, total })
}

fn read_file(
    file: &Arc<str>,
    from: Box<dyn Read + Send>,
    sender: &mpsc::UnboundedSender<Input>,
    spares: &sync::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let mut blocks = Blocks::new(from);
    // No spare comes, and nothing can be sent, once nobody wants more.
    while let Ok(mut bytes) = spares.recv() {
        if !blocks.next(&mut bytes)? || sender.send(Input::Block { file: file.clone(), bytes }).is_err() {
            break;
        }
    }
    Ok(())
}

type Opened = (Arc<str>, Box<dyn Read + Send>, Option<u64>);

fn open(path: &Path) -> Result<Opened, Failure> {
    if path == Path::new("-") {
        return Ok(("stdin".into(), Box::new(io::stdin()), None));
    }
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| Failure::failed(format!("{name}: {error}")))?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
    Ok((name.into(), Box::new(file), size))
}
