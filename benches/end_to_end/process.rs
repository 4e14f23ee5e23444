//! The broker in a process of its own, so that its work is not counted, and what this process has cost so far.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The argument that makes a bench's program the broker.
pub(crate) const SERVE: &str = "--serve";

/// A broker in a process of its own. It ends with its standard input.
pub(crate) struct Apart {
    child: Child,
    pub address: String,
}

impl Apart {
    /// Starts this program again, as the broker.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(SERVE)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a broker");
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut address).expect("its address");
        Self { child, address: address.trim().to_owned() }
    }

    /// Ends it.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("its end");
    }
}

/// Serves one topic until standard input ends.
pub(crate) fn serve(topic: &str, partitions: u16, discard: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let broker = ottla_broker::Broker::start().topic(topic, partitions).discard(discard).await;
        println!("{}", broker.address());
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
        ended.await.expect("the end of the parent");
    });
}

/// User and system time of this process so far.
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    // Fields 14 and 15 of the whole line, in ticks of 10 ms.
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().expect("ticks")).sum();
    ticks / 100.0
}

/// The largest resident size of this process so far, in MB.
pub(crate) fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("kB") / 1024.0
}
