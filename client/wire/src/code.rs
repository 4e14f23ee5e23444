//! The error codes of the protocol, in one table.

use std::fmt;

macro_rules! codes {
    ($($(#[$attribute:meta])* $value:literal $variant:ident $name:literal $action:ident $meaning:literal)*) => {
        /// An error code as brokers send it; zero is success.
        ///
        /// Source: <https://kafka.apache.org/protocol#protocol_error_codes>
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: ", $meaning, ".")] $(#[$attribute])* $variant,)*
            /// A code newer than this crate. It is to be taken as [`UnknownServerError`](Self::UnknownServerError).
            Unknown(i16),
        }

        impl Code {
            /// Every code this crate knows, in the order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code that `value` stands for.
            #[must_use]
            pub const fn from_wire(value: i16) -> Self {
                match value {
                    $($value => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }

            /// The number that stands for this code.
            #[must_use]
            pub const fn to_wire(self) -> i16 {
                match self {
                    $(Self::$variant => $value,)*
                    Self::Unknown(value) => value,
                }
            }

            /// The name in Kafka's documentation, such as `NOT_LEADER_OR_FOLLOWER`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Unknown(_) => "UNKNOWN_SERVER_ERROR",
                }
            }

            /// What it means, in a few words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                    Self::Unknown(_) => "a code that this version does not know",
                }
            }

            const fn action(self) -> Action {
                match self {
                    $(Self::$variant => Action::$action,)*
                    Self::Unknown(_) => Action::Fail,
                }
            }
        }
    };
}

/// What Java's class of exception says about trying again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The same request would fail again.
    Fail,
    /// The same request may succeed later.
    Retry,
    /// The same request may succeed once metadata or the coordinator was looked up anew.
    Refresh,
}

impl Code {
    /// Whether this is success.
    #[must_use]
    pub const fn is_none(self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether the same request may succeed later: what extends `RetriableException` in the Java client.
    ///
    /// A flow may know better for its own request.
    #[must_use]
    pub const fn retriable(self) -> bool {
        !matches!(self.action(), Action::Fail)
    }

    /// Whether to look up metadata, or the coordinator, before another attempt: what extends
    /// `RefreshRetriableException` in the Java client.
    #[must_use]
    pub const fn refreshes_metadata(self) -> bool {
        matches!(self.action(), Action::Refresh)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(value) => write!(f, "{} ({value}): {}", self.name(), self.meaning()),
            _ => write!(f, "{}: {}", self.name(), self.meaning()),
        }
    }
}

codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR" Fail "the broker failed in a way it has no code for"
    #[default]
    0 None "NONE" Fail "success"
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE" Fail "the log does not hold the offset asked for"
    2 CorruptMessage "CORRUPT_MESSAGE" Retry "the checksum is wrong, the size is not allowed, or a compacted topic got a null key"
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" Refresh "the broker does not host this partition"
    4 InvalidFetchSize "INVALID_FETCH_SIZE" Fail "the size asked for is not allowed"
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE" Refresh "the partition has no leader at the moment"
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" Refresh "the broker no longer leads, or no longer holds, the partition"
    7 RequestTimedOut "REQUEST_TIMED_OUT" Retry "the broker did not finish in the time the request allowed"
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE" Fail "the broker is not running"
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" Refresh "the replica cannot be used yet"
    10 MessageTooLarge "MESSAGE_TOO_LARGE" Fail "a batch is larger than the topic allows"
    11 StaleControllerEpoch "STALE_CONTROLLER_EPOCH" Fail "the controller has moved"
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" Fail "the text committed with an offset is too long"
    13 NetworkException "NETWORK_EXCEPTION" Refresh "the broker went away before it answered"
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" Retry "the coordinator still reads its state"
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" Refresh "there is no coordinator at the moment"
    16 NotCoordinator "NOT_COORDINATOR" Refresh "the broker is not the coordinator any more"
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION" Fail "the topic's name is not allowed, or the topic may not be written to"
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE" Fail "a batch is larger than a segment of the log"
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS" Retry "nothing was written: too few replicas are in sync"
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" Retry "written, but to fewer replicas than required"
    21 InvalidRequiredAcks "INVALID_REQUIRED_ACKS" Fail "the number of acknowledgements asked for is not allowed"
    22 IllegalGeneration "ILLEGAL_GENERATION" Fail "the group has moved on to another generation"
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" Fail "the member shares no protocol with the rest of the group"
    24 InvalidGroupId "INVALID_GROUP_ID" Fail "the group's id is not allowed"
    25 UnknownMemberId "UNKNOWN_MEMBER_ID" Fail "the coordinator does not know this member"
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" Fail "the session timeout is outside the broker's limits"
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS" Fail "the group rebalances: the member has to join again"
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" Fail "the commit is too large"
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" Fail "no permission for the topic"
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" Fail "no permission for the group"
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" Fail "no permission for the cluster"
    32 InvalidTimestamp "INVALID_TIMESTAMP" Fail "a record's timestamp is outside the topic's limits"
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" Fail "the broker does not offer the SASL mechanism"
    34 IllegalSaslState "ILLEGAL_SASL_STATE" Fail "the request has no place in this step of authentication"
    35 UnsupportedVersion "UNSUPPORTED_VERSION" Fail "the broker does not speak this version of the API"
    36 TopicAlreadyExists "TOPIC_ALREADY_EXISTS" Fail "a topic of this name exists"
    37 InvalidPartitions "INVALID_PARTITIONS" Fail "the number of partitions is not allowed"
    38 InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" Fail "the replication factor is below one or above the number of brokers"
    39 InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" Fail "the assignment of replicas is not allowed"
    40 InvalidConfig "INVALID_CONFIG" Fail "a setting is not allowed"
    41 NotController "NOT_CONTROLLER" Retry "the broker is not the controller"
    42 InvalidRequest "INVALID_REQUEST" Fail "the broker cannot make sense of the request; its log may say more"
    43 UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" Fail "the topic's message format is too old for this"
    44 PolicyViolation "POLICY_VIOLATION" Fail "a policy of the cluster forbids it"
    45 OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" Fail "a batch before this one is missing"
    46 DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" Fail "the batch was written before"
    47 InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" Fail "the producer's epoch is not the newest"
    48 InvalidTxnState "INVALID_TXN_STATE" Fail "the transaction is not in a state that allows this"
    49 InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" Fail "the producer id does not belong to the transactional id"
    50 InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" Fail "the transaction timeout is over the broker's limit"
    51 ConcurrentTransactions "CONCURRENT_TRANSACTIONS" Retry "the last transaction of this id is not finished yet"
    52 TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" Fail "the transaction coordinator was replaced"
    53 TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" Fail "no permission for the transactional id"
    54 SecurityDisabled "SECURITY_DISABLED" Fail "the cluster has no authorizer"
    55 OperationNotAttempted "OPERATION_NOT_ATTEMPTED" Fail "not tried, since another part of the request failed"
    56 KafkaStorageError "KAFKA_STORAGE_ERROR" Refresh "the broker could not use its disk"
    57 LogDirNotFound "LOG_DIR_NOT_FOUND" Fail "the broker has no such log directory"
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" Fail "the broker did not accept the credentials"
    59 UnknownProducerId "UNKNOWN_PRODUCER_ID" Fail "the broker has no state of this producer, perhaps since its records were deleted"
    60 ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" Fail "the partition is being moved"
    61 DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" Fail "delegation tokens are switched off"
    62 DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" Fail "there is no such delegation token"
    63 DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" Fail "the delegation token belongs to someone else"
    64 DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" Fail "delegation tokens cannot be had over this kind of connection"
    65 DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" Fail "no permission for the delegation token"
    66 DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" Fail "the delegation token has expired"
    67 InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" Fail "this type of principal is not supported"
    68 NonEmptyGroup "NON_EMPTY_GROUP" Fail "the group still has members"
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND" Fail "there is no such group"
    70 FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" Retry "the broker has dropped the fetch session"
    71 InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" Retry "the fetch session is out of step"
    72 ListenerNotFound "LISTENER_NOT_FOUND" Refresh "the leader has no listener of the name used here"
    73 TopicDeletionDisabled "TOPIC_DELETION_DISABLED" Fail "the cluster does not delete topics"
    74 FencedLeaderEpoch "FENCED_LEADER_EPOCH" Refresh "the request knows an older leader than the broker"
    75 UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" Retry "the request knows a newer leader than the broker"
    76 UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" Fail "the version of the request has no room for the compression"
    77 StaleBrokerEpoch "STALE_BROKER_EPOCH" Fail "the broker has registered anew"
    78 OffsetNotAvailable "OFFSET_NOT_AVAILABLE" Retry "the new leader does not know its high watermark yet"
    79 MemberIdRequired "MEMBER_ID_REQUIRED" Fail "the member has to join again with the id it was given"
    80 PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" Refresh "the preferred leader cannot be had"
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" Fail "the group is full"
    82 FencedInstanceId "FENCED_INSTANCE_ID" Fail "another member has taken over this group.instance.id"
    83 EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" Refresh "no replica may become leader"
    84 ElectionNotNeeded "ELECTION_NOT_NEEDED" Refresh "the partition has the leader it should have"
    85 NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" Fail "the partition is not being moved"
    86 GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" Fail "the group still reads the topic whose offsets it shall forget"
    87 InvalidRecord "INVALID_RECORD" Fail "the broker did not accept a record of the batch"
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" Retry "a transaction over these offsets is not finished"
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" Retry "over the quota: to be tried again later"
    90 ProducerFenced "PRODUCER_FENCED" Fail "another producer has taken over this transactional.id"
    91 ResourceNotFound "RESOURCE_NOT_FOUND" Fail "there is no such resource"
    92 DuplicateResource "DUPLICATE_RESOURCE" Fail "the request names a resource twice"
    93 UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" Fail "the credential is not good enough"
    94 InconsistentVoterSet "INCONSISTENT_VOTER_SET" Fail "sender or receiver is not among the expected voters"
    95 InvalidUpdateVersion "INVALID_UPDATE_VERSION" Fail "the version to update to is not allowed"
    96 FeatureUpdateFailed "FEATURE_UPDATE_FAILED" Fail "the features could not be updated"
    97 PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" Fail "a broker could not read the principal of a forwarded request"
    98 SnapshotNotFound "SNAPSHOT_NOT_FOUND" Fail "there is no such snapshot"
    99 PositionOutOfRange "POSITION_OUT_OF_RANGE" Fail "the position is outside the snapshot"
    100 UnknownTopicId "UNKNOWN_TOPIC_ID" Refresh "the broker does not know the topic's id"
    101 DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" Fail "the broker's id is in use"
    102 BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" Fail "no broker of this id is registered"
    103 InconsistentTopicId "INCONSISTENT_TOPIC_ID" Refresh "the topic has another id: it was made anew"
    104 InconsistentClusterId "INCONSISTENT_CLUSTER_ID" Fail "the request is meant for another cluster"
    105 TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" Fail "there is no such transactional id"
    106 FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" Retry "the fetch session mixes topic names and ids"
    107 IneligibleReplica "INELIGIBLE_REPLICA" Fail "a replica may not join those in sync"
    108 NewLeaderElected "NEW_LEADER_ELECTED" Fail "the partition was changed, and its leader with it"
    109 OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" Fail "the offset is in tiered storage only"
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH" Fail "the member was fenced: it loses its partitions and has to join again"
    111 UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" Fail "another member still uses this group.instance.id"
    112 UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" Fail "the group does not support the assignor"
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH" Fail "the member's epoch is old: to be tried again with the newest"
    114 MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" Fail "the request went to a controller instead of a broker, or the other way round"
    115 UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" Fail "this kind of endpoint is not supported yet"
    116 UnknownControllerId "UNKNOWN_CONTROLLER_ID" Fail "there is no controller of this id"
    117 UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" Fail "the telemetry subscription has changed"
    118 TelemetryTooLarge "TELEMETRY_TOO_LARGE" Fail "the telemetry is larger than the broker takes"
    119 InvalidRegistration "INVALID_REGISTRATION" Fail "the controller does not accept the registration"
    120 TransactionAbortable "TRANSACTION_ABORTABLE" Fail "the transaction has to be aborted; the producer can go on"
    121 InvalidRecordState "INVALID_RECORD_STATE" Fail "the record cannot be acknowledged any more"
    122 ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" Retry "the broker has dropped the share session"
    123 InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" Retry "the share session is out of step"
    124 FencedStateEpoch "FENCED_STATE_EPOCH" Fail "the share group's state has another epoch"
    125 InvalidVoterKey "INVALID_VOTER_KEY" Fail "the voter's key is not the receiver's"
    126 DuplicateVoter "DUPLICATE_VOTER" Fail "the voter is among the voters"
    127 VoterNotFound "VOTER_NOT_FOUND" Fail "the voter is not among the voters"
    128 InvalidRegularExpression "INVALID_REGULAR_EXPRESSION" Fail "the regular expression is not valid"
    129 RebootstrapRequired "REBOOTSTRAP_REQUIRED" Fail "the client's metadata is too old: it has to start from its bootstrap servers"
    130 StreamsInvalidTopology "STREAMS_INVALID_TOPOLOGY" Fail "the topology is not valid"
    131 StreamsInvalidTopologyEpoch "STREAMS_INVALID_TOPOLOGY_EPOCH" Fail "the topology's epoch is not valid"
    132 StreamsTopologyFenced "STREAMS_TOPOLOGY_FENCED" Fail "the topology's epoch is old"
    133 ShareSessionLimitReached "SHARE_SESSION_LIMIT_REACHED" Retry "the broker has no room for another share session"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_number_in_order_without_a_gap() {
        let numbers: Vec<i16> = Code::ALL.iter().map(|code| code.to_wire()).collect();
        assert_eq!(numbers, (-1..=133).collect::<Vec<_>>());
        for code in Code::ALL {
            assert_eq!(Code::from_wire(code.to_wire()), *code);
        }
    }

    #[test]
    fn names_are_the_variants_in_capitals() {
        for code in Code::ALL {
            let words = code.name().split('_').map(|word| word[..1].to_owned() + &word[1..].to_ascii_lowercase());
            assert_eq!(format!("{code:?}"), words.collect::<String>());
        }
    }

    #[test]
    fn unknown_codes_count_as_an_unknown_server_error() {
        // edge 73
        let code = Code::from_wire(9_999);
        assert_eq!(code.to_wire(), 9_999);
        assert_eq!(code.name(), Code::UnknownServerError.name());
        assert!(!code.retriable() && !code.refreshes_metadata() && !code.is_none());
        assert_eq!(code.to_string(), "UNKNOWN_SERVER_ERROR (9999): a code that this version does not know");
    }

    #[test]
    fn what_refreshes_metadata_is_retriable() {
        assert!(Code::NotLeaderOrFollower.refreshes_metadata() && Code::NotLeaderOrFollower.retriable());
        assert!(!Code::NotController.refreshes_metadata() && Code::NotController.retriable());
        assert!(!Code::TopicAuthorizationFailed.retriable());
    }
}
