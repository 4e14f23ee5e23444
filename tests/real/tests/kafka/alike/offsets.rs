//! Offsets that are committed within a transaction.

use anyhow::Result;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, GroupId, OffsetFetchRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
};

use super::producer::Producer;
use super::{GROUP, Side, TRANSACTION, alike, name, text, topic_name};

/// Added to a producer id it is one that no test has.
const STRANGER: i64 = 1 << 40;

/// As what member a producer commits: id and generation.
const NO_MEMBER: (&str, i32) = ("", -1);

impl Side {
    fn add_offsets(&mut self, version: i16, producer: &Producer) -> Result<()> {
        let id = producer.transactional_id.clone().unwrap_or_default();
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(TransactionalId(id.clone()))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_group_id(GroupId(self.own("group")));
        let response = self.ask(TRANSACTION, &id, version, &request, |response| response.error_code)?;
        self.note(format!("add offsets v{version}: {}", name(response.error_code)));
        Ok(())
    }

    pub(super) fn commit_offset(
        &mut self,
        version: i16,
        producer: &Producer,
        partition: i32,
        offset: i64,
        (member, generation): (&str, i32),
    ) -> Result<()> {
        let group = self.own("group");
        let committed =
            TxnOffsetCommitRequestPartition::default().with_partition_index(partition).with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default().with_name(topic_name(&self.topic));
        let mut request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(producer.transactional_id.clone().unwrap_or_default()))
            .with_group_id(GroupId(group.clone()))
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic.with_partitions(vec![committed])]);
        if version >= 3 {
            request = request.with_member_id(text(member)).with_generation_id(generation);
        }
        let code =
            |response: &kafka_protocol::messages::TxnOffsetCommitResponse| response.topics[0].partitions[0].error_code;
        let response = self.ask(GROUP, &group, version, &request, code)?;
        self.note(format!("commit offset {offset} v{version}: {}", name(code(&response))));
        Ok(())
    }

    /// Notes what a consumer of the group is told, once everyone knows how the last transaction ended.
    pub(super) fn committed(&mut self, require_stable: bool) -> Result<()> {
        let group = self.own("group");
        let topic = OffsetFetchRequestTopics::default().with_name(topic_name(&self.topic));
        let asked = OffsetFetchRequestGroup::default().with_group_id(GroupId(group.clone()));
        let asked = asked.with_topics(Some(vec![topic.with_partition_indexes(vec![0, 1])]));
        let request = OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(require_stable);
        let response = self.ask(GROUP, &group, 9, &request, |response| response.groups[0].error_code)?;
        let partitions: Vec<String> = response.groups[0].topics[0]
            .partitions
            .iter()
            .map(|partition| {
                format!("{}: {} {}", partition.partition_index, name(partition.error_code), partition.committed_offset)
            })
            .collect();
        self.note(format!("committed, stable {require_stable}: {partitions:?}"));
        Ok(())
    }
}

#[test]
fn offsets_in_transactions_since_kip_890_are_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        side.commit_offset(5, &producer, 0, 5, NO_MEMBER)?;
        side.committed(true)?;
        side.committed(false)?;
        side.commit_offset(5, &producer, 9, 5, NO_MEMBER)?;
        side.commit_offset(5, &producer, 1, 5, ("nobody", 3))?;
        side.commit_offset(5, &producer, 1, 5, ("nobody", -1))?;
        let next = side.end(5, &producer, true)?;
        // Until the marker is written the next transaction has to wait.
        side.commit_offset(5, &next, 0, 6, NO_MEMBER)?;
        side.committed(false)?;
        side.commit_offset(5, &producer, 0, 7, NO_MEMBER)?;
        let last = side.end(5, &next, false)?;
        side.write(12, &last, 0, 0)?;
        side.committed(true)?;
        Ok(())
    })
}

#[test]
fn offsets_in_transactions_before_kip_890_are_alike() -> Result<()> {
    alike(&[], |side| {
        let producer = side.producer("tx")?;
        for version in [0, 2, 3, 4] {
            side.commit_offset(version, &producer, 0, 5, NO_MEMBER)?;
        }
        side.add_offsets(3, &producer)?;
        for version in [0, 2, 3, 4] {
            side.commit_offset(version, &producer, 0, 5 + i64::from(version), NO_MEMBER)?;
        }
        side.committed(true)?;
        side.end(4, &producer, true)?;
        side.add_offsets(3, &producer)?;
        side.committed(true)?;
        for version in [1, 2] {
            side.add_offsets(version, &Producer { epoch: producer.epoch + 1, ..producer.clone() })?;
        }
        side.add_offsets(3, &Producer { id: producer.id + STRANGER, ..producer })?;
        Ok(())
    })
}

#[test]
fn a_fenced_producers_offsets_are_refused_alike() -> Result<()> {
    alike(&[], |side| {
        let old = side.producer("tx")?;
        side.commit_offset(5, &old, 0, 5, NO_MEMBER)?;
        let new = side.producer("tx")?;
        side.commit_offset(5, &old, 0, 6, NO_MEMBER)?;
        side.commit_offset(4, &old, 0, 6, NO_MEMBER)?;
        side.commit_offset(5, &Producer { id: old.id + STRANGER, ..old }, 0, 6, NO_MEMBER)?;
        side.commit_offset(5, &new, 0, 7, NO_MEMBER)?;
        side.committed(false)?;
        Ok(())
    })
}
