//! Rules of what clients may take.

use crate::evidence::Evidence;
use crate::ledger::Operation;

/// `buffer.memory` that was passed, or not given back when nothing was under way any more.
pub fn memory(evidence: &Evidence) -> Vec<String> {
    let wrong = evidence.entries.iter().filter_map(|entry| match entry.operation {
        Operation::Memory { available, total, .. } if available > total => {
            Some(format!("{} has {available} free bytes of {total}", entry.by))
        }
        Operation::Memory { available, total, is_idle: true } if available < total => {
            Some(format!("{} gave back all but {} bytes of {total}", entry.by, total - available))
        }
        _ => None,
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ledger::Entry;

    #[test]
    fn memory_is_given_back_in_the_end() {
        let look = |available, is_idle| {
            let operation = Operation::Memory { available, total: 100, is_idle };
            let entries = vec![Entry { at: Duration::ZERO, by: "a".into(), operation }];
            memory(&Evidence { entries, ..Evidence::default() })
        };
        assert_eq!(look(90, true), ["a gave back all but 10 bytes of 100"]);
        assert_eq!(look(90, false), [""; 0]);
        assert_eq!(look(100, true), [""; 0]);
        assert_eq!(look(101, false), ["a has 101 free bytes of 100"]);
    }
}
