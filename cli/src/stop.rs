//! Ctrl-C, and SIGTERM: the first asks the command to end, the second ends the process.

use std::thread;

use tokio::runtime::Builder;
use tokio::sync::watch;

use crate::failure::Failure;

/// The exit code of a process that a second Ctrl-C ended: 128 and the signal's number, as shells count.
const INTERRUPTED: i32 = 130;

/// Whether the user wants the command to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Takes over Ctrl-C from now on.
    ///
    /// It is waited for on a thread of its own: the command may be busy writing to a pipe that nobody reads.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let failed = |error| Failure::failed(format!("cannot wait for signals: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::new().map_err(failed)?
        };
        let (asked, stop) = watch::channel(false);
        let wait = move || {
            runtime.block_on(signals.next());
            asked.send_replace(true);
            runtime.block_on(signals.next());
            std::process::exit(INTERRUPTED);
        };
        thread::Builder::new().name("signals".into()).spawn(wait).map_err(failed)?;
        Ok(Self(stop))
    }

    /// Resolves once the command is to end.
    pub(crate) async fn asked(&self) {
        // The sender lives as long as the process.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
