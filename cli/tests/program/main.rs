//! The program as its users meet it: arguments, standard input and output, signals, exit codes.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests, with a clock of their own")]

mod broker;
mod consume;
mod groups;
mod produce;
mod topics;
mod usage;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// What a test waits for must come within this time.
const SOON: Duration = Duration::from_secs(60);

/// The program with these arguments; it dies with the test.
fn ottla(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end, with `input` as its standard input.
async fn run(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = ottla(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // One that ends before it read everything is fine.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    end(child).await
}

/// Waits for the program to end.
async fn end(child: Child) -> Ended {
    Ended(tokio::time::timeout(SOON, child.wait_with_output()).await.expect("it ends").unwrap())
}

/// A program that has ended.
#[derive(Debug)]
struct Ended(Output);

impl Ended {
    fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    fn out(&self) -> &str {
        std::str::from_utf8(&self.0.stdout).unwrap()
    }

    fn err(&self) -> &str {
        std::str::from_utf8(&self.0.stderr).unwrap()
    }

    /// The standard output of one that succeeded.
    fn ok(&self) -> &str {
        assert_eq!(self.code(), Some(0), "{}", self.err());
        self.out()
    }

    /// The lines of the standard output as JSON.
    fn json(&self) -> Vec<serde_json::Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Sends the signal that Ctrl-C sends.
async fn interrupt(child: &Child) {
    let id = child.id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

/// Looks again and again until it is so.
async fn until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to be");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
