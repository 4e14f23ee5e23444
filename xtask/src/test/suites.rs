//! How many tests of which suite ran: read from what `cargo test` prints.

/// The tests of one binary, or the examples in one crate's documentation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    pub(crate) name: String,
    /// Whether it is there for its tests alone; a crate may be without unit tests.
    pub(crate) only_tests: bool,
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

/// Reads what `cargo test` prints, line by line.
#[derive(Debug, Default)]
pub(crate) struct Suites(Vec<Suite>);

impl Suites {
    /// Looks at the next line.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some((what, file)) = line.strip_prefix("Running ").and_then(|rest| rest.split_once(" (")) {
            // target/debug/deps/flows-0123456789abcdef)
            let file = file.trim_end_matches(')').rsplit('/').next().unwrap_or_default();
            let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
            let (only_tests, source) = what.strip_prefix("unittests ").map_or((true, what), |source| (false, source));
            self.0.push(Suite { name: format!("{name} ({source})"), only_tests, ..Suite::default() });
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            self.0.push(Suite { name: format!("{name} (documentation)"), ..Suite::default() });
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let Some(suite) = self.0.last_mut() else { return };
            // A crate's documentation may have more than one of these.
            suite.passed += count(result, " passed");
            suite.failed += count(result, " failed");
        }
    }

    /// The suites that ran a test; or, if one that is there for its tests alone ran none, its name.
    pub(crate) fn checked(self) -> Result<Vec<Suite>, String> {
        let (ran, empty): (Vec<_>, Vec<_>) = self.0.into_iter().partition(|suite| suite.passed + suite.failed > 0);
        match empty.iter().find(|suite| suite.only_tests) {
            Some(suite) => Err(format!("{} ran no test", suite.name)),
            None if ran.is_empty() => Err("no test ran".to_owned()),
            None => Ok(ran),
        }
    }
}

/// The number before `word`: 3 in `ok. 3 passed; 0 failed`.
fn count(result: &str, word: &str) -> usize {
    let number = result.split_once(word).and_then(|(before, _)| before.rsplit(' ').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Suites {
        let mut suites = Suites::default();
        text.lines().for_each(|line| suites.read(line));
        suites
    }

    #[test]
    fn counts_the_tests_of_each_suite() {
        let suites = read(
            "   Compiling ottla v0.1.0
     Running unittests client/src/lib.rs (target/debug/deps/ottla-41bcef175e8bf062)
running 11 tests
test result: ok. 11 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.04s
     Running tests/flows/main.rs (target/debug/deps/flows-8f540e33800fd54c)
test result: FAILED. 5 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
   Doc-tests ottla_wire
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        );
        let suite =
            |name: &str, only_tests, passed, failed| Suite { name: name.to_owned(), only_tests, passed, failed };
        assert_eq!(
            suites.checked().unwrap(),
            [
                suite("ottla (client/src/lib.rs)", false, 11, 0),
                suite("flows (tests/flows/main.rs)", true, 5, 1),
                suite("ottla_wire (documentation)", false, 3, 0)
            ]
        );
    }

    #[test]
    fn a_crate_without_unit_tests_is_passed_over() {
        let suites = read(
            "     Running unittests cli/src/main.rs (target/debug/deps/ottla-1)
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/flows/main.rs (target/debug/deps/flows-2)
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        assert_eq!(suites.checked().unwrap().len(), 1);
    }

    #[test]
    fn a_suite_that_ran_nothing_is_a_failure() {
        let suites = read(
            "     Running unittests client/src/lib.rs (target/debug/deps/ottla-1)
test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/flows/main.rs (target/debug/deps/flows-2)
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 6 filtered out; finished in 0.00s",
        );
        assert_eq!(suites.checked().unwrap_err(), "flows (tests/flows/main.rs) ran no test");
    }

    #[test]
    fn no_suite_at_all_is_a_failure() {
        assert_eq!(read("error: could not compile").checked().unwrap_err(), "no test ran");
    }
}
