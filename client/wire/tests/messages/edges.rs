//! What brokers of other versions do.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{BrokerId, api_versions_response as theirs, fetch_response, produce_response};
use kafka_protocol::protocol::Encodable;
use ottla_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use ottla_wire::messages::{
    ApiVersionsRequest, FetchRequest, HeartbeatRequest, MetadataRequest, OffsetCommitRequest, ProduceRequest,
};
use ottla_wire::{Code, DecodeError, EncodeError, Request, Response, Uuid, decode_response, encode_request};

/// A frame as it follows the size: header of the oldest version, then the body.
fn frame(correlation_id: i32, body: &impl Encodable, version: i16) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_i32(correlation_id);
    body.encode(&mut frame, version).unwrap();
    frame.freeze()
}

#[test]
fn a_broker_that_does_not_know_the_version_of_api_versions_answers_in_version_0() {
    // edge 71
    let range = theirs::ApiVersion::default().with_api_key(18).with_min_version(0).with_max_version(2);
    let answer = theirs::ApiVersionsResponse::default()
        .with_error_code(Code::UnsupportedVersion.to_wire())
        .with_api_keys(vec![range]);
    let response = decode_response::<ApiVersionsRequest>(frame(1, &answer, 0), 4).unwrap();
    assert_eq!(response.error_code, Code::UnsupportedVersion);
    assert_eq!(response.api_keys.len(), 1);
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 2));

    // Before Kafka 2.4 the range was not in it.
    let answer = answer.with_api_keys(Vec::new());
    let response = decode_response::<ApiVersionsRequest>(frame(1, &answer, 0), 3).unwrap();
    assert_eq!(response.error_code, Code::UnsupportedVersion);
    assert!(response.api_keys.is_empty());
}

#[test]
fn api_versions_has_the_oldest_header_in_every_version() {
    // edge 71
    let answer = theirs::ApiVersionsResponse::default()
        .with_throttle_time_ms(7)
        .with_api_keys(vec![theirs::ApiVersion::default().with_api_key(1).with_max_version(18)]);
    for version in 0..=4 {
        let response = decode_response::<ApiVersionsRequest>(frame(1, &answer, version), version).unwrap();
        assert_eq!(response.api_keys[0].max_version, 18);
        assert_eq!(response.throttle_time_ms(), if version == 0 { 0 } else { 7 });
    }
}

#[test]
fn what_is_broken_in_both_versions_is_told_as_broken_in_the_one_asked_for() {
    let broken = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 9]);
    assert_eq!(decode_response::<ApiVersionsRequest>(broken, 3), Err(DecodeError::InvalidCount { count: 8, left: 0 }),);
}

#[test]
fn unknown_tagged_fields_are_passed_over_at_every_depth() {
    // edge 73
    let new = || Bytes::from_static(b"from a later version");
    let leader =
        fetch_response::LeaderIdAndEpoch::default().with_leader_id(BrokerId(4)).with_unknown_tagged_field(9, new());
    let partition = fetch_response::PartitionData::default()
        .with_partition_index(3)
        .with_current_leader(leader)
        .with_unknown_tagged_field(50, new());
    let topic = fetch_response::FetchableTopicResponse::default()
        .with_partitions(vec![partition])
        .with_unknown_tagged_field(0, new());
    let answer =
        fetch_response::FetchResponse::default().with_responses(vec![topic]).with_unknown_tagged_field(7, new());

    let mut frame = BytesMut::new();
    frame.put_i32(1);
    frame.put_slice(&[1, 80, 3, 1, 2, 3]);
    answer.encode(&mut frame, 17).unwrap();
    let response = decode_response::<FetchRequest>(frame.freeze(), 17).unwrap();

    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.partition_index, partition.current_leader.leader_id), (3, 4));
}

#[test]
fn null_where_the_version_allows_it_is_none_and_else_an_error() {
    // edge 73
    let partition = |records| fetch_response::PartitionData::default().with_records(records);
    let topic = |records| fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition(records)]);
    let answer = |records| fetch_response::FetchResponse::default().with_responses(vec![topic(records)]);
    let records = |sent| {
        let mut response = decode_response::<FetchRequest>(frame(1, &answer(sent), 10), 10).unwrap();
        response.responses.remove(0).partitions.remove(0).records
    };
    assert_eq!(records(None), None);
    assert_eq!(records(Some(Bytes::new())), Some(Bytes::new()));

    let null_topics = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(decode_response::<FetchRequest>(null_topics, 10), Err(DecodeError::UnexpectedNull));
}

#[test]
fn unknown_error_codes_keep_their_number_and_count_as_an_unknown_server_error() {
    // edge 73
    let answer = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff]);
    let response = decode_response::<HeartbeatRequest>(answer, 2).unwrap();
    assert_eq!(response.error_code, Code::Unknown(i16::MAX));
    assert_eq!(response.error_code.name(), "UNKNOWN_SERVER_ERROR");
    assert!(!response.error_code.retriable());
}

#[test]
fn what_comes_after_the_last_field_is_ignored() {
    let answer = Bytes::from_static(&[0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 42, 42]);
    assert_eq!(decode_response::<HeartbeatRequest>(answer, 2).unwrap().throttle_time_ms(), 5);
}

#[test]
fn a_field_that_the_version_lacks_is_an_error_when_set_unless_it_is_ignorable() {
    let request = OffsetCommitRequest { group_instance_id: Some("tea".into()), ..Default::default() };
    assert_eq!(
        encode_request(&request, 6, 1, None),
        Err(EncodeError::FieldNotInVersion { message: "OffsetCommitRequest", field: "group_instance_id", version: 6 }),
    );
    assert!(encode_request(&request, 7, 1, None).is_ok());

    // In a structure within.
    let partition = FetchPartition { last_fetched_epoch: 3, ..Default::default() };
    let topic = FetchTopic { partitions: vec![partition], ..Default::default() };
    let mut request = FetchRequest { topics: vec![topic], ..Default::default() };
    assert_eq!(
        encode_request(&request, 11, 1, None),
        Err(EncodeError::FieldNotInVersion { message: "FetchPartition", field: "last_fetched_epoch", version: 11 }),
    );

    // The topic's id and the rack are ignorable.
    request.topics[0].partitions.clear();
    let without = encode_request(&request, 10, 1, None).unwrap();
    request.topics[0].topic_id = Uuid([1; 16]);
    request.rack_id = "cellar".into();
    assert_eq!(encode_request(&request, 10, 1, None), Ok(without));
}

#[test]
fn a_null_that_the_version_lacks_is_an_error() {
    let request = MetadataRequest {
        topics: Some(vec![ottla_wire::messages::metadata_request::MetadataRequestTopic::default()]),
        ..Default::default()
    };
    assert!(encode_request(&request, 9, 1, None).is_ok());
    let mut by_id = request.clone();
    by_id.topics.as_mut().unwrap()[0].name = None;
    assert!(encode_request(&by_id, 10, 1, None).is_ok());
    assert_eq!(
        encode_request(&by_id, 9, 1, None),
        Err(EncodeError::NullNotInVersion { message: "MetadataRequestTopic", field: "name", version: 9 }),
    );
}

#[test]
fn versions_that_are_not_known_are_neither_written_nor_read() {
    for version in [ProduceRequest::MIN_VERSION - 1, ProduceRequest::MAX_VERSION + 1] {
        assert_eq!(
            encode_request(&ProduceRequest::default(), version, 1, None),
            Err(EncodeError::UnsupportedVersion { message: "Produce", version }),
        );
        let answer = frame(1, &produce_response::ProduceResponse::default(), 13);
        assert_eq!(decode_response::<ProduceRequest>(answer, version), Err(DecodeError::UnsupportedVersion(version)));
    }
}
