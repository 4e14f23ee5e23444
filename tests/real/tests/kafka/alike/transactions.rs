//! Who may begin, add, write and end.

use anyhow::Result;

use super::producer::Producer;
use super::{Side, alike};

const NOBODY: (i64, i16) = (-1, -1);

#[test]
fn producers_are_initialized_and_fenced_alike() -> Result<()> {
    alike(&[], |side| {
        for version in 0..=5 {
            side.init(version, "tx", NOBODY, 60_000)?;
        }
        let producer = side.producer("tx")?;
        let (id, epoch) = (producer.id, producer.epoch);
        for expected in [(id, epoch), (id, epoch), (id, epoch + 1), (id, epoch - 1), (id + 1, epoch), (id, epoch + 9)] {
            for version in [3, 4] {
                side.init(version, "tx", expected, 60_000)?;
            }
        }
        side.init(5, "tx", (id, -1), 60_000)?;
        side.init(5, "tx", (-1, 0), 60_000)?;
        side.init(5, "tx", NOBODY, 0)?;
        side.init(5, "tx", NOBODY, 900_000)?;
        side.init(5, "tx", NOBODY, 900_001)?;
        side.init(5, "new", (7, 7), 60_000)?;
        Ok(())
    })
}

#[test]
fn a_new_producer_ends_the_old_ones_transaction_alike() -> Result<()> {
    for version in [11, 12] {
        alike(&[], |side| {
            let old = side.producer("tx")?;
            if version < 12 {
                side.add(3, &old, &[0])?;
            }
            side.write(version, &old, 0, 0)?;
            let new = side.producer("tx")?;
            side.write(version, &old, 0, 1)?;
            side.write(version, &old, 1, 0)?;
            side.add(1, &old, &[0])?;
            side.add(2, &old, &[0])?;
            for is_commit in [true, false] {
                side.end(1, &old, is_commit)?;
                side.end(4, &old, is_commit)?;
                side.end(5, &old, is_commit)?;
            }
            side.init(4, "tx", (old.id, old.epoch), 60_000)?;
            side.write(12, &new, 0, 0)?;
            side.end(5, &new, true)?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn transactions_since_kip_890_are_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        side.write(12, &producer, 0, 1)?;
        side.write(12, &producer, 0, 0)?;
        side.write(12, &producer, 0, 0)?;
        side.write(12, &producer, 0, 2)?;
        side.write(12, &producer, 0, 1)?;
        side.write(12, &producer, 1, 0)?;
        let next = side.end_and_wait(5, &producer, true)?;
        side.end(5, &producer, true)?;
        side.end(5, &producer, false)?;
        side.end(5, &next, true)?;
        side.write(12, &producer, 0, 2)?;
        side.write(12, &next, 0, 2)?;
        side.write(12, &next, 0, 0)?;
        let last = side.end(5, &next, false)?;
        side.end(5, &next, false)?;
        side.end(5, &next, true)?;
        let again = side.end(5, &last, false)?;
        side.end(5, &again, true)?;
        side.end(5, &last, false)?;
        side.write(12, &again, 1, 0)?;
        side.end(5, &again, true)?;
        Ok(())
    })
}

#[test]
fn a_producer_that_began_nothing_ends_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        for version in [4, 5] {
            side.end(version, &producer, true)?;
        }
        side.end(4, &producer, false)?;
        let next = side.end(5, &producer, false)?;
        side.end(5, &producer, false)?;
        side.end(4, &next, false)?;
        side.end(4, &next, true)?;
        let unknown = Producer { transactional_id: Some(side.own("unknown")), ..next.clone() };
        side.end(4, &unknown, true)?;
        side.end(5, &unknown, true)?;
        side.end(5, &Producer { id: next.id + 1, ..next.clone() }, true)?;
        side.end(5, &Producer { epoch: next.epoch + 1, ..next }, false)?;
        Ok(())
    })
}

#[test]
fn transactions_before_kip_890_are_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        for version in [9, 10, 11] {
            side.write(version, &producer, 0, 0)?;
        }
        side.add(3, &producer, &[0, 9])?;
        side.write(11, &producer, 0, 0)?;
        side.add(3, &producer, &[0, 1])?;
        side.write(11, &producer, 0, 0)?;
        side.write(11, &producer, 0, 0)?;
        side.write(10, &producer, 0, 1)?;
        side.write(11, &producer, 1, 5)?;
        side.end_and_wait(4, &producer, true)?;
        side.end(4, &producer, true)?;
        side.end(4, &producer, false)?;
        side.write(11, &producer, 0, 2)?;
        side.write(11, &producer, 0, 1)?;
        side.add(3, &producer, &[0])?;
        side.write(11, &producer, 0, 2)?;
        side.end(4, &producer, false)?;
        side.end(4, &producer, false)?;
        side.end(4, &producer, true)?;
        side.end(4, &Producer { epoch: producer.epoch + 1, ..producer.clone() }, true)?;
        side.end(1, &Producer { epoch: producer.epoch + 1, ..producer.clone() }, true)?;
        side.add(3, &Producer { id: producer.id + 1, ..producer.clone() }, &[0])?;
        side.add(0, &Producer { epoch: producer.epoch + 1, ..producer.clone() }, &[0])?;
        side.add(2, &Producer { epoch: producer.epoch + 1, ..producer }, &[0])?;
        Ok(())
    })
}

#[test]
fn a_producer_changes_over_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        side.add(3, &producer, &[0])?;
        side.write(11, &producer, 0, 0)?;
        side.write(12, &producer, 1, 0)?;
        let next = side.end(5, &producer, true)?;
        side.add(3, &next, &[0])?;
        side.write(11, &next, 0, 1)?;
        side.write(11, &next, 0, 0)?;
        side.end(4, &next, true)?;
        side.end(5, &next, true)?;
        side.end(5, &next, false)?;
        Ok(())
    })
}

#[test]
fn a_transaction_that_stays_open_is_aborted_alike() -> Result<()> {
    for version in [11, 12] {
        alike(&[], |side| {
            let slow = side.init(5, "tx", NOBODY, 1_000)?;
            if version < 12 {
                side.add(3, &slow, &[0])?;
            }
            side.write(version, &slow, 0, 0)?;
            side.until_complete(&slow)?;
            side.write(version, &slow, 0, 1)?;
            side.write(version, &slow, 1, 0)?;
            side.add(3, &slow, &[0])?;
            side.end(4, &slow, true)?;
            side.end(5, &slow, true)?;
            side.init(5, "tx", (slow.id, slow.epoch), 60_000)?;
            side.end(5, &slow, false)?;
            side.producer("tx")?;
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn requests_that_contradict_themselves_are_refused_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        let other = side.producer("other")?;
        let batch = side.batch(&producer, 0, &["value"], true);
        for version in [9, 11, 12] {
            side.produce(version, None, 0, batch.clone())?;
            side.produce(version, other.transactional_id.as_ref(), 0, batch.clone())?;
            let unknown = side.own("unknown");
            side.produce(version, Some(&unknown), 0, batch.clone())?;
        }
        let fenced = Producer { epoch: producer.epoch + 1, ..producer.clone() };
        side.write(11, &fenced, 0, 0)?;
        side.write(12, &fenced, 0, 0)?;
        let plain = side.batch(&producer, 0, &["value"], false);
        side.produce(12, producer.transactional_id.as_ref(), 0, plain)?;
        side.write(12, &producer, 0, 1)?;
        side.write(12, &producer, 0, 0)?;
        Ok(())
    })
}

#[test]
fn data_outside_an_open_transaction_is_refused_alike() -> Result<()> {
    alike(&[], |side: &mut Side| {
        let producer = side.producer("tx")?;
        side.write(12, &producer, 0, 0)?;
        let plain = side.batch(&producer, 1, &["value"], false);
        side.produce(12, producer.transactional_id.as_ref(), 0, plain.clone())?;
        let next = side.end_and_wait(5, &producer, true)?;
        side.produce(12, producer.transactional_id.as_ref(), 0, plain)?;
        let plain = side.batch(&next, 0, &["value"], false);
        side.produce(12, next.transactional_id.as_ref(), 0, plain)?;
        Ok(())
    })
}
