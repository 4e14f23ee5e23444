//! A line on the terminal that says how far a long command is; and log lines that leave it whole.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use indicatif::{ProgressBar, ProgressStyle};

/// The bar on the terminal, if there is one.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Starts a bar on stderr; a hidden one where stderr is no terminal. `total` is in bytes, if it is known.
pub(crate) fn start(total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left; {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes}, {bytes_per_sec}; {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let _ = BAR.set(bar.clone());
    bar
}

/// Where log lines go: stderr, with the bar out of the way.
pub(crate) fn beside() -> impl Write {
    Beside
}

struct Beside;

impl Write for Beside {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().lock().write(line);
        match BAR.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
