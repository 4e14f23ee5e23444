//! Every message made of random values, as ours and as kafka-protocol's.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

mod api_versions_request;
mod api_versions_response;
mod consumer_group_describe_request;
mod consumer_group_describe_response;
mod consumer_protocol_assignment;
mod consumer_protocol_subscription;
mod create_topics_request;
mod create_topics_response;
mod delete_topics_request;
mod delete_topics_response;
mod describe_groups_request;
mod describe_groups_response;
mod fetch_request;
mod fetch_response;
mod find_coordinator_request;
mod find_coordinator_response;
mod heartbeat_request;
mod heartbeat_response;
mod init_producer_id_request;
mod init_producer_id_response;
mod join_group_request;
mod join_group_response;
mod leave_group_request;
mod leave_group_response;
mod list_groups_request;
mod list_groups_response;
mod list_offsets_request;
mod list_offsets_response;
mod metadata_request;
mod metadata_response;
mod offset_commit_request;
mod offset_commit_response;
mod offset_fetch_request;
mod offset_fetch_response;
mod produce_request;
mod produce_response;
mod sync_group_request;
mod sync_group_response;
