//! A topic's rules for the records in a batch.

use kafka_protocol::ResponseError;

use super::batch::{BadRecord, Batch, Refused};
use super::record::{self, Record};

/// Rules that a topic's settings make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordRules {
    /// Every record needs a key.
    pub(crate) is_compacted: bool,
    /// How far a record's time may lie before and after the broker's, in milliseconds; `None` if its time doesn't count.
    pub(crate) time: Option<(i64, i64)>,
}

/// The time of a record that has none.
const NO_TIMESTAMP: i64 = -1;

/// Checks each record against the rules.
///
/// # Errors
/// `INVALID_TIMESTAMP` or `INVALID_RECORD`, naming the records that are to blame (KIP-467).
pub(crate) fn validate(batch: &Batch, rules: &RecordRules, now_ms: i64) -> Result<(), Refused> {
    if rules.are_met_by_header(batch, now_ms) {
        return Ok(());
    }
    let mut code = ResponseError::InvalidRecord;
    let mut records = Vec::new();
    for (index, record) in (0..).zip(record::decode(&batch.header, &batch.body)) {
        if rules.is_compacted && record.key.is_none() {
            let message = "Compacted topic cannot accept message without key".to_owned();
            records.push(BadRecord { index, message });
        } else if let Some(message) = rules.blame_time(batch, &record, now_ms) {
            code = ResponseError::InvalidTimestamp;
            records.push(BadRecord { index, message });
        }
    }
    if records.is_empty() {
        return Ok(());
    }
    let message = match code {
        ResponseError::InvalidTimestamp => "One or more records have been rejected due to invalid timestamp".to_owned(),
        _ => format!("One or more records have been rejected due to {} record errors in total", records.len()),
    };
    Err(Refused { records, ..Refused::new(code, message) })
}

impl RecordRules {
    /// True if the header tells already that no record breaks a rule.
    fn are_met_by_header(&self, batch: &Batch, now_ms: i64) -> bool {
        let header = &batch.header;
        let time_is_met = match self.time {
            None => !header.is_log_append_time(),
            Some((before, after)) => before == i64::MAX && header.max_timestamp.saturating_sub(now_ms) <= after,
        };
        !self.is_compacted && time_is_met
    }

    fn blame_time(&self, batch: &Batch, record: &Record, now_ms: i64) -> Option<String> {
        match self.time.filter(|_| record.timestamp != NO_TIMESTAMP) {
            Some((before, after)) => {
                let (earliest, latest) = (now_ms.saturating_sub(before), now_ms.saturating_add(after));
                let message = format!(
                    "Timestamp {} of message is out of range. It should be within [{earliest}, {latest}]",
                    record.timestamp
                );
                (!(earliest..=latest).contains(&record.timestamp)).then_some(message)
            }
            None if batch.header.is_log_append_time() => {
                Some("Invalid timestamp type: a producer should not set LogAppendTime".to_owned())
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::batch;
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn rules(before: i64, after: i64) -> RecordRules {
        RecordRules { is_compacted: false, time: Some((before, after)) }
    }

    /// Records of time 1000.
    fn blamed(count: i32, rules: &RecordRules, now_ms: i64) -> Option<(ResponseError, Vec<i32>)> {
        let refused = validate(&batch(count), rules, now_ms).err()?;
        Some((refused.code, refused.records.iter().map(|record| record.index).collect()))
    }

    #[test]
    fn a_record_too_far_ahead_of_the_brokers_clock_is_named() {
        let rules = rules(i64::MAX, HOUR);
        assert_eq!(blamed(1, &rules, 1_000 - HOUR), None);
        assert_eq!(blamed(2, &rules, 999 - HOUR), Some((ResponseError::InvalidTimestamp, vec![0, 1])));
    }

    #[test]
    fn a_record_too_far_behind_the_brokers_clock_is_named() {
        let rules = rules(HOUR, i64::MAX);
        assert_eq!(blamed(1, &rules, 1_000 + HOUR), None);
        assert_eq!(blamed(1, &rules, 1_001 + HOUR), Some((ResponseError::InvalidTimestamp, vec![0])));
    }

    #[test]
    fn with_log_append_time_a_records_time_does_not_count() {
        let rules = RecordRules { is_compacted: false, time: None };
        assert_eq!(blamed(1, &rules, i64::MIN), None);
    }

    #[test]
    fn a_producer_may_not_claim_the_brokers_time() {
        let mut batch = batch(1);
        let body = batch.body.clone();
        batch.header.set_log_append_time(NO_TIMESTAMP, &body);
        let refused = validate(&batch, &RecordRules { is_compacted: false, time: None }, 0).unwrap_err();
        assert_eq!((refused.code, refused.records.len()), (ResponseError::InvalidTimestamp, 1));
    }

    #[test]
    fn a_compacted_topic_takes_no_record_without_a_key_and_names_each() {
        let rules = RecordRules { is_compacted: true, time: Some((i64::MAX, HOUR)) };
        assert_eq!(blamed(3, &rules, 0), Some((ResponseError::InvalidRecord, vec![0, 1, 2])));
    }
}
