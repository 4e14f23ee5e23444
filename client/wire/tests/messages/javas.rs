//! Versions that kafka-protocol does not know yet, against bytes that the Java client 4.3.1 wrote.

use bytes::Bytes;
use ottla_wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use ottla_wire::messages::list_offsets_response::ListOffsetsResponse;
use ottla_wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use ottla_wire::messages::{ListOffsetsRequest, OffsetCommitRequest, OffsetFetchRequest};
use ottla_wire::{Code, Decode, Reader, Request, Uuid, Version, Writer};

const TOPIC: Uuid = Uuid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/// The body of a request in hexadecimal.
fn written<R: Request>(request: &R, number: i16) -> String {
    let mut out = Writer::new();
    request.encode(&mut out, Version { number, flexible: R::is_flexible(number) }).unwrap();
    out.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn offset_commit_10_names_topics_by_id() {
    let partition = OffsetCommitRequestPartition {
        partition_index: 3,
        committed_offset: 258,
        committed_leader_epoch: 5,
        committed_metadata: Some("x".into()),
    };
    let topic = OffsetCommitRequestTopic { name: "left out".into(), topic_id: TOPIC, partitions: vec![partition] };
    let request = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: 7,
        member_id: "m".into(),
        topics: vec![topic],
        ..Default::default()
    };
    assert_eq!(
        written(&request, 10),
        "026700000007026d00020102030405060708090a0b0c0d0e0f1002000000030000000000000102000000050278000000",
    );
}

#[test]
fn offset_fetch_10_names_topics_by_id() {
    let topic = OffsetFetchRequestTopics { name: "left out".into(), topic_id: TOPIC, partition_indexes: vec![1, 2] };
    let one = OffsetFetchRequestGroup {
        group_id: "g".into(),
        member_id: Some("m".into()),
        member_epoch: 7,
        topics: Some(vec![topic]),
    };
    let all = OffsetFetchRequestGroup { group_id: "all".into(), topics: None, ..Default::default() };
    let request = OffsetFetchRequest { require_stable: true, groups: vec![one, all], ..Default::default() };
    assert_eq!(
        written(&request, 10),
        "030267026d00000007020102030405060708090a0b0c0d0e0f10030000000100000002000004616c6c00ffffffff00000100",
    );
}

#[test]
fn list_offsets_11_is_laid_out_as_10() {
    let partition = ListOffsetsPartition { partition_index: 1, current_leader_epoch: 4, timestamp: -6 };
    let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, isolation_level: 1, topics: vec![topic], timeout_ms: 1000 };
    assert_eq!(written(&request, 11), "ffffffff01020274020000000100000004fffffffffffffffa0000000003e800");

    let response = Bytes::from_static(&[
        0, 0, 0, 9, 2, 2, b't', 2, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 4, 0, 0,
        0,
    ]);
    let mut from = Reader::new(response);
    let response = ListOffsetsResponse::decode(&mut from, Version { number: 11, flexible: true }).unwrap();
    assert_eq!(from.remaining(), 0);
    assert_eq!(response.throttle_time_ms, 9);
    assert_eq!(response.topics[0].name, "t");
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.partition_index, partition.error_code), (1, Code::NotLeaderOrFollower));
    assert_eq!((partition.timestamp, partition.offset, partition.leader_epoch), (77, 258, 4));
}
