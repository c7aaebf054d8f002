//! The transcript of the virtual routers, written to a file by a thread of its own.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::thread::{Builder, JoinHandle};

use locum_vrrp::{Node, Recording};
use tracing::error;

use crate::words;

/// Writes until the node ends. What was written of a process that died is whole up to the last moments: the file is
/// written whenever nothing more waits.
pub(crate) fn start(node: &Node, file: File) -> io::Result<JoinHandle<()>> {
    let recording = node.record();
    Builder::new().name("record".to_owned()).spawn(move || {
        if let Err(failure) = write(recording, file) {
            let why = words::chain(&failure);
            error!("the transcript ends here, since it cannot be written: {why}");
        }
    })
}

fn write(mut recording: Recording, file: File) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    while let Some(line) = recording.blocking_next_line() {
        writeln!(file, "{line}")?;
        if recording.is_drained() {
            file.flush()?;
        }
    }
    file.flush()
}
