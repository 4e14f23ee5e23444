//! Why a command ended, and the exit code that stands for it.

use std::io;
use std::process::ExitCode;

use ottla::Kind;

use crate::output;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was tried and failed: exit code 1.
    Failed(String),
    /// Whoever read our output has gone: nothing is left to do, and nothing is wrong.
    Unread,
    /// It was asked for wrongly: exit code 2.
    Usage(String),
}

impl Failure {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// Says on stderr what went wrong.
    pub(crate) fn report(self, json: bool) -> ExitCode {
        let (message, code) = match self {
            Self::Failed(message) => (message, 1),
            Self::Unread => return ExitCode::SUCCESS,
            Self::Usage(message) => (message, 2),
        };
        if json {
            output::note(serde_json::json!({ "error": message }));
        } else {
            output::note(format_args!("error: {message}"));
        }
        ExitCode::from(code)
    }
}

impl From<ottla::Error> for Failure {
    fn from(error: ottla::Error) -> Self {
        match error.kind() {
            Kind::Config => Self::Usage(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Of writing to stdout.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Failed(format!("cannot write: {error}")),
        }
    }
}
