//! Sequences, epochs and what a topic takes.

use anyhow::Result;
use bytes::Bytes;

use super::producer::Producer;
use super::{Side, alike};

/// A producer that no coordinator knows.
fn idempotent(id: i64) -> Producer {
    Producer { transactional_id: None, id, epoch: 0 }
}

fn send(side: &mut Side, producer: &Producer, sequence: i32, values: &[&str]) -> Result<i16> {
    let batch = side.batch(producer, sequence, values, false);
    side.produce(9, None, 0, batch)
}

#[test]
fn sequences_are_judged_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = idempotent(1_000_001);
        send(side, &producer, 3, &["a"])?;
        for sequence in [4, 5, 6, 7, 8, 9] {
            send(side, &producer, sequence, &["a"])?;
        }
        for sequence in [9, 5, 4, 3, 11, 0] {
            send(side, &producer, sequence, &["a"])?;
        }
        send(side, &producer, 9, &["a", "b"])?;
        send(side, &producer, 10, &["a", "b"])?;
        send(side, &producer, 10, &["a"])?;
        send(side, &producer, 10, &["a", "b"])?;
        Ok(())
    })
}

#[test]
fn epochs_are_judged_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = idempotent(1_000_002);
        send(side, &producer, 0, &["a"])?;
        let next = Producer { epoch: 3, ..producer.clone() };
        send(side, &next, 1, &["a"])?;
        send(side, &next, 0, &["a"])?;
        send(side, &producer, 1, &["a"])?;
        send(side, &producer, 0, &["a"])?;
        send(side, &next, 0, &["a"])?;
        send(side, &next, 1, &["a"])?;
        Ok(())
    })
}

#[test]
fn sequences_wrap_around_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = idempotent(1_000_003);
        send(side, &producer, i32::MAX - 1, &["a", "b"])?;
        send(side, &producer, 1, &["a"])?;
        send(side, &producer, 0, &["a"])?;
        send(side, &producer, i32::MAX - 1, &["a", "b"])?;
        Ok(())
    })
}

#[test]
fn what_a_topic_takes_is_alike() -> Result<()> {
    let nobody = Producer { transactional_id: None, id: -1, epoch: -1 };
    alike(&[("cleanup.policy", "compact")], |side| {
        let batch = side.batch(&nobody, -1, &["a", "b"], false);
        for version in [7, 8, 12] {
            side.produce(version, None, 0, batch.clone())?;
        }
        Ok(())
    })?;
    alike(&[("message.timestamp.before.max.ms", "1000")], |side| {
        side.timestamp -= 60_000;
        let batch = side.batch(&nobody, -1, &["a", "b"], false);
        side.produce(12, None, 0, batch)?;
        Ok(())
    })?;
    alike(&[("max.message.bytes", "100")], |side| {
        let batch = side.batch(&nobody, -1, &["a value that makes the batch larger than 100 bytes"], false);
        side.produce(12, None, 0, batch)?;
        let batch = side.batch(&nobody, -1, &["a"], false);
        side.produce(12, None, 0, batch.clone())?;
        let mut corrupt = batch.to_vec();
        corrupt[65] ^= 1;
        side.produce(12, None, 0, Bytes::from(corrupt))?;
        Ok(())
    })
}
