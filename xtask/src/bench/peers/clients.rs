//! Who does the jobs.

use super::rows::{Row, Work};

/// One way to do a job through one library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// What `--clients` calls it.
    pub(super) name: &'static str,
    /// What the tables call it.
    pub(super) title: &'static str,
    /// What else `--clients` may call it: the library, whose ways are then all meant.
    pub(super) library: &'static str,
    pub(super) program: Program,
    /// What becomes of the results, as the argument `deliveries`.
    pub(super) deliveries: &'static str,
}

/// What is built and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Go,
    Java,
    /// A binary of a package of the workspace, with a feature or none.
    Rust {
        package: &'static str,
        binary: &'static str,
        features: &'static str,
    },
}

const OTTLA: Program = rust("peer-ottla", "peer-ottla", "");

/// Who everything is compared with.
pub(super) const MEASURE: &str = "rdkafka";

/// What reading costs without a client.
const FLOOR: &str = "floor";

pub(super) const CLIENTS: [Client; 11] = [
    Client {
        name: "ottla-awaited",
        title: "Ottla (produced: awaited in order)",
        library: "ottla",
        program: OTTLA,
        deliveries: "awaited",
    },
    Client {
        name: "ottla-bulk",
        title: "Ottla, in bulk (flush)",
        library: "ottla",
        program: OTTLA,
        deliveries: "bulk",
    },
    Client { name: "ottla-dropped", title: "Ottla, dropped", library: "ottla", program: OTTLA, deliveries: "dropped" },
    Client {
        name: "ottla-c",
        title: "Ottla with C codecs (produced: awaited in order)",
        library: "ottla",
        program: rust("peer-ottla", "peer-ottla-c", "c"),
        deliveries: "awaited",
    },
    peer("rdkafka", "rdkafka (librdkafka)", rust("peer-rdkafka", "peer-rdkafka", "")),
    peer("krafka", "krafka", rust("peer-krafka", "peer-krafka", "")),
    peer("kacrab", "kacrab", rust("peer-kacrab", "peer-kacrab", "")),
    peer("franz-go", "franz-go", Program::Go),
    peer("java", "Java", Program::Java),
    peer("rskafka", "rskafka (a floor: see README)", rust("peer-rskafka", "peer-rskafka", "")),
    Client {
        name: FLOOR,
        title: "floor (no client: see README)",
        library: "ottla-wire",
        program: rust("peer-floor", "peer-floor", ""),
        deliveries: "awaited",
    },
];

const fn peer(name: &'static str, title: &'static str, program: Program) -> Client {
    Client { name, title, library: name, program, deliveries: "awaited" }
}

const fn rust(package: &'static str, binary: &'static str, features: &'static str) -> Program {
    Program::Rust { package, binary, features }
}

impl Client {
    /// Whether `--clients name` means this one.
    pub(super) fn is_called(&self, name: &str) -> bool {
        [self.name, self.library].contains(&name)
    }

    pub(super) fn is_ottla(&self) -> bool {
        self.library == "ottla"
    }

    /// Whether it is a row of its own in a scenario: other codecs and ways of taking results make no difference in some.
    pub(super) fn has_part_in(&self, row: &Row) -> bool {
        match self.name {
            "ottla-bulk" | "ottla-dropped" => row.work == Work::Produce && !row.is_of_latency(),
            FLOOR => row.work == Work::Consume,
            "ottla-c" => row.compression != "none",
            _ => true,
        }
    }

    /// Why it cannot do a job that would be the same as the others'.
    pub(super) fn excused(&self, row: &Row) -> Option<&'static str> {
        if self.name == "rskafka" && row.work != Work::Produce {
            return match row.work {
                Work::ConsumeInGroup | Work::Rebalance => Some("it has no groups"),
                Work::EndToEnd => Some("its program does not do this job"),
                Work::Consume | Work::OneEach | Work::Produce => None,
            };
        }
        let forms_batches = row.topics == 1 && row.linger_ms > 0;
        (self.name == "rskafka" && !row.is_of_latency() && !forms_batches)
            .then_some("it forms no batches of its own, and the size of its batches is what this scenario decides")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::peers::rows::ROWS;

    fn who(row: &str) -> Vec<&'static str> {
        let row = ROWS.iter().find(|it| it.name == row).unwrap();
        CLIENTS.iter().filter(|client| client.has_part_in(row)).map(|client| client.name).collect()
    }

    #[test]
    fn the_library_means_all_of_its_ways() {
        let ways: Vec<_> = CLIENTS.iter().filter(|client| client.is_called("ottla")).map(|it| it.name).collect();
        assert_eq!(ways, ["ottla-awaited", "ottla-bulk", "ottla-dropped", "ottla-c"]);
        assert!(CLIENTS.iter().filter(|client| client.is_called("ottla-c")).count() == 1);
        assert!(CLIENTS.iter().any(|client| client.is_called(MEASURE)));
    }

    #[test]
    fn a_way_has_part_only_where_it_makes_a_difference() {
        assert!(!who("100 B none").contains(&"ottla-c"));
        assert!(who("1 KiB zstd").contains(&"ottla-c"));
        let latency = who("latency 1k/s");
        assert_eq!(latency.iter().filter(|name| name.starts_with("ottla")).count(), 1);
    }
}
