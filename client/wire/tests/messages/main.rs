//! Every message against the crate kafka-protocol: an independent implementation from the same definitions.
//!
//! A message is made twice of the same random values, once as ours and once as theirs, field by field and by name
//! (`pairs/`, generated). Then both must write the same bytes, and read the same values from them, so that two swapped
//! fields of one type show.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod check;
mod edges;
mod hostile;
mod javas;
mod pair;
mod pairs;
