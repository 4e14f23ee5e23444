//! The APIs and their numbers.
//!
//! Written by `cargo xtask protocol` from Kafka's definitions.

use std::fmt;

/// An API, by the number that its requests carry.
///
/// Source: <https://kafka.apache.org/protocol#protocol_api_keys>
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(i16)]
pub enum ApiKey {
    /// The API `Produce`.
    Produce = 0,
    /// The API `Fetch`.
    Fetch = 1,
    /// The API `ListOffsets`.
    ListOffsets = 2,
    /// The API `Metadata`.
    Metadata = 3,
    /// The API `LeaderAndIsr`.
    LeaderAndIsr = 4,
    /// The API `StopReplica`.
    StopReplica = 5,
    /// The API `UpdateMetadata`.
    UpdateMetadata = 6,
    /// The API `ControlledShutdown`.
    ControlledShutdown = 7,
    /// The API `OffsetCommit`.
    OffsetCommit = 8,
    /// The API `OffsetFetch`.
    OffsetFetch = 9,
    /// The API `FindCoordinator`.
    FindCoordinator = 10,
    /// The API `JoinGroup`.
    JoinGroup = 11,
    /// The API `Heartbeat`.
    Heartbeat = 12,
    /// The API `LeaveGroup`.
    LeaveGroup = 13,
    /// The API `SyncGroup`.
    SyncGroup = 14,
    /// The API `DescribeGroups`.
    DescribeGroups = 15,
    /// The API `ListGroups`.
    ListGroups = 16,
    /// The API `SaslHandshake`.
    SaslHandshake = 17,
    /// The API `ApiVersions`.
    ApiVersions = 18,
    /// The API `CreateTopics`.
    CreateTopics = 19,
    /// The API `DeleteTopics`.
    DeleteTopics = 20,
    /// The API `DeleteRecords`.
    DeleteRecords = 21,
    /// The API `InitProducerId`.
    InitProducerId = 22,
    /// The API `OffsetForLeaderEpoch`.
    OffsetForLeaderEpoch = 23,
    /// The API `AddPartitionsToTxn`.
    AddPartitionsToTxn = 24,
    /// The API `AddOffsetsToTxn`.
    AddOffsetsToTxn = 25,
    /// The API `EndTxn`.
    EndTxn = 26,
    /// The API `WriteTxnMarkers`.
    WriteTxnMarkers = 27,
    /// The API `TxnOffsetCommit`.
    TxnOffsetCommit = 28,
    /// The API `DescribeAcls`.
    DescribeAcls = 29,
    /// The API `CreateAcls`.
    CreateAcls = 30,
    /// The API `DeleteAcls`.
    DeleteAcls = 31,
    /// The API `DescribeConfigs`.
    DescribeConfigs = 32,
    /// The API `AlterConfigs`.
    AlterConfigs = 33,
    /// The API `AlterReplicaLogDirs`.
    AlterReplicaLogDirs = 34,
    /// The API `DescribeLogDirs`.
    DescribeLogDirs = 35,
    /// The API `SaslAuthenticate`.
    SaslAuthenticate = 36,
    /// The API `CreatePartitions`.
    CreatePartitions = 37,
    /// The API `CreateDelegationToken`.
    CreateDelegationToken = 38,
    /// The API `RenewDelegationToken`.
    RenewDelegationToken = 39,
    /// The API `ExpireDelegationToken`.
    ExpireDelegationToken = 40,
    /// The API `DescribeDelegationToken`.
    DescribeDelegationToken = 41,
    /// The API `DeleteGroups`.
    DeleteGroups = 42,
    /// The API `ElectLeaders`.
    ElectLeaders = 43,
    /// The API `IncrementalAlterConfigs`.
    IncrementalAlterConfigs = 44,
    /// The API `AlterPartitionReassignments`.
    AlterPartitionReassignments = 45,
    /// The API `ListPartitionReassignments`.
    ListPartitionReassignments = 46,
    /// The API `OffsetDelete`.
    OffsetDelete = 47,
    /// The API `DescribeClientQuotas`.
    DescribeClientQuotas = 48,
    /// The API `AlterClientQuotas`.
    AlterClientQuotas = 49,
    /// The API `DescribeUserScramCredentials`.
    DescribeUserScramCredentials = 50,
    /// The API `AlterUserScramCredentials`.
    AlterUserScramCredentials = 51,
    /// The API `Vote`.
    Vote = 52,
    /// The API `BeginQuorumEpoch`.
    BeginQuorumEpoch = 53,
    /// The API `EndQuorumEpoch`.
    EndQuorumEpoch = 54,
    /// The API `DescribeQuorum`.
    DescribeQuorum = 55,
    /// The API `AlterPartition`.
    AlterPartition = 56,
    /// The API `UpdateFeatures`.
    UpdateFeatures = 57,
    /// The API `Envelope`.
    Envelope = 58,
    /// The API `FetchSnapshot`.
    FetchSnapshot = 59,
    /// The API `DescribeCluster`.
    DescribeCluster = 60,
    /// The API `DescribeProducers`.
    DescribeProducers = 61,
    /// The API `BrokerRegistration`.
    BrokerRegistration = 62,
    /// The API `BrokerHeartbeat`.
    BrokerHeartbeat = 63,
    /// The API `UnregisterBroker`.
    UnregisterBroker = 64,
    /// The API `DescribeTransactions`.
    DescribeTransactions = 65,
    /// The API `ListTransactions`.
    ListTransactions = 66,
    /// The API `AllocateProducerIds`.
    AllocateProducerIds = 67,
    /// The API `ConsumerGroupHeartbeat`.
    ConsumerGroupHeartbeat = 68,
    /// The API `ConsumerGroupDescribe`.
    ConsumerGroupDescribe = 69,
    /// The API `ControllerRegistration`.
    ControllerRegistration = 70,
    /// The API `GetTelemetrySubscriptions`.
    GetTelemetrySubscriptions = 71,
    /// The API `PushTelemetry`.
    PushTelemetry = 72,
    /// The API `AssignReplicasToDirs`.
    AssignReplicasToDirs = 73,
    /// The API `ListConfigResources`.
    ListConfigResources = 74,
    /// The API `DescribeTopicPartitions`.
    DescribeTopicPartitions = 75,
    /// The API `ShareGroupHeartbeat`.
    ShareGroupHeartbeat = 76,
    /// The API `ShareGroupDescribe`.
    ShareGroupDescribe = 77,
    /// The API `ShareFetch`.
    ShareFetch = 78,
    /// The API `ShareAcknowledge`.
    ShareAcknowledge = 79,
    /// The API `AddRaftVoter`.
    AddRaftVoter = 80,
    /// The API `RemoveRaftVoter`.
    RemoveRaftVoter = 81,
    /// The API `UpdateRaftVoter`.
    UpdateRaftVoter = 82,
    /// The API `InitializeShareGroupState`.
    InitializeShareGroupState = 83,
    /// The API `ReadShareGroupState`.
    ReadShareGroupState = 84,
    /// The API `WriteShareGroupState`.
    WriteShareGroupState = 85,
    /// The API `DeleteShareGroupState`.
    DeleteShareGroupState = 86,
    /// The API `ReadShareGroupStateSummary`.
    ReadShareGroupStateSummary = 87,
    /// The API `StreamsGroupHeartbeat`.
    StreamsGroupHeartbeat = 88,
    /// The API `StreamsGroupDescribe`.
    StreamsGroupDescribe = 89,
    /// The API `DescribeShareGroupOffsets`.
    DescribeShareGroupOffsets = 90,
    /// The API `AlterShareGroupOffsets`.
    AlterShareGroupOffsets = 91,
    /// The API `DeleteShareGroupOffsets`.
    DeleteShareGroupOffsets = 92,
}

impl ApiKey {
    /// The API with that number, if this crate knows it.
    #[must_use]
    pub const fn from_wire(value: i16) -> Option<Self> {
        Some(match value {
            0 => Self::Produce,
            1 => Self::Fetch,
            2 => Self::ListOffsets,
            3 => Self::Metadata,
            4 => Self::LeaderAndIsr,
            5 => Self::StopReplica,
            6 => Self::UpdateMetadata,
            7 => Self::ControlledShutdown,
            8 => Self::OffsetCommit,
            9 => Self::OffsetFetch,
            10 => Self::FindCoordinator,
            11 => Self::JoinGroup,
            12 => Self::Heartbeat,
            13 => Self::LeaveGroup,
            14 => Self::SyncGroup,
            15 => Self::DescribeGroups,
            16 => Self::ListGroups,
            17 => Self::SaslHandshake,
            18 => Self::ApiVersions,
            19 => Self::CreateTopics,
            20 => Self::DeleteTopics,
            21 => Self::DeleteRecords,
            22 => Self::InitProducerId,
            23 => Self::OffsetForLeaderEpoch,
            24 => Self::AddPartitionsToTxn,
            25 => Self::AddOffsetsToTxn,
            26 => Self::EndTxn,
            27 => Self::WriteTxnMarkers,
            28 => Self::TxnOffsetCommit,
            29 => Self::DescribeAcls,
            30 => Self::CreateAcls,
            31 => Self::DeleteAcls,
            32 => Self::DescribeConfigs,
            33 => Self::AlterConfigs,
            34 => Self::AlterReplicaLogDirs,
            35 => Self::DescribeLogDirs,
            36 => Self::SaslAuthenticate,
            37 => Self::CreatePartitions,
            38 => Self::CreateDelegationToken,
            39 => Self::RenewDelegationToken,
            40 => Self::ExpireDelegationToken,
            41 => Self::DescribeDelegationToken,
            42 => Self::DeleteGroups,
            43 => Self::ElectLeaders,
            44 => Self::IncrementalAlterConfigs,
            45 => Self::AlterPartitionReassignments,
            46 => Self::ListPartitionReassignments,
            47 => Self::OffsetDelete,
            48 => Self::DescribeClientQuotas,
            49 => Self::AlterClientQuotas,
            50 => Self::DescribeUserScramCredentials,
            51 => Self::AlterUserScramCredentials,
            52 => Self::Vote,
            53 => Self::BeginQuorumEpoch,
            54 => Self::EndQuorumEpoch,
            55 => Self::DescribeQuorum,
            56 => Self::AlterPartition,
            57 => Self::UpdateFeatures,
            58 => Self::Envelope,
            59 => Self::FetchSnapshot,
            60 => Self::DescribeCluster,
            61 => Self::DescribeProducers,
            62 => Self::BrokerRegistration,
            63 => Self::BrokerHeartbeat,
            64 => Self::UnregisterBroker,
            65 => Self::DescribeTransactions,
            66 => Self::ListTransactions,
            67 => Self::AllocateProducerIds,
            68 => Self::ConsumerGroupHeartbeat,
            69 => Self::ConsumerGroupDescribe,
            70 => Self::ControllerRegistration,
            71 => Self::GetTelemetrySubscriptions,
            72 => Self::PushTelemetry,
            73 => Self::AssignReplicasToDirs,
            74 => Self::ListConfigResources,
            75 => Self::DescribeTopicPartitions,
            76 => Self::ShareGroupHeartbeat,
            77 => Self::ShareGroupDescribe,
            78 => Self::ShareFetch,
            79 => Self::ShareAcknowledge,
            80 => Self::AddRaftVoter,
            81 => Self::RemoveRaftVoter,
            82 => Self::UpdateRaftVoter,
            83 => Self::InitializeShareGroupState,
            84 => Self::ReadShareGroupState,
            85 => Self::WriteShareGroupState,
            86 => Self::DeleteShareGroupState,
            87 => Self::ReadShareGroupStateSummary,
            88 => Self::StreamsGroupHeartbeat,
            89 => Self::StreamsGroupDescribe,
            90 => Self::DescribeShareGroupOffsets,
            91 => Self::AlterShareGroupOffsets,
            92 => Self::DeleteShareGroupOffsets,

            _ => return None,
        })
    }

    /// The number that stands for it.
    #[must_use]
    pub const fn to_wire(self) -> i16 {
        self as i16
    }

    /// The name in Kafka's documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Fetch => "Fetch",
            Self::ListOffsets => "ListOffsets",
            Self::Metadata => "Metadata",
            Self::LeaderAndIsr => "LeaderAndIsr",
            Self::StopReplica => "StopReplica",
            Self::UpdateMetadata => "UpdateMetadata",
            Self::ControlledShutdown => "ControlledShutdown",
            Self::OffsetCommit => "OffsetCommit",
            Self::OffsetFetch => "OffsetFetch",
            Self::FindCoordinator => "FindCoordinator",
            Self::JoinGroup => "JoinGroup",
            Self::Heartbeat => "Heartbeat",
            Self::LeaveGroup => "LeaveGroup",
            Self::SyncGroup => "SyncGroup",
            Self::DescribeGroups => "DescribeGroups",
            Self::ListGroups => "ListGroups",
            Self::SaslHandshake => "SaslHandshake",
            Self::ApiVersions => "ApiVersions",
            Self::CreateTopics => "CreateTopics",
            Self::DeleteTopics => "DeleteTopics",
            Self::DeleteRecords => "DeleteRecords",
            Self::InitProducerId => "InitProducerId",
            Self::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
            Self::AddPartitionsToTxn => "AddPartitionsToTxn",
            Self::AddOffsetsToTxn => "AddOffsetsToTxn",
            Self::EndTxn => "EndTxn",
            Self::WriteTxnMarkers => "WriteTxnMarkers",
            Self::TxnOffsetCommit => "TxnOffsetCommit",
            Self::DescribeAcls => "DescribeAcls",
            Self::CreateAcls => "CreateAcls",
            Self::DeleteAcls => "DeleteAcls",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::AlterConfigs => "AlterConfigs",
            Self::AlterReplicaLogDirs => "AlterReplicaLogDirs",
            Self::DescribeLogDirs => "DescribeLogDirs",
            Self::SaslAuthenticate => "SaslAuthenticate",
            Self::CreatePartitions => "CreatePartitions",
            Self::CreateDelegationToken => "CreateDelegationToken",
            Self::RenewDelegationToken => "RenewDelegationToken",
            Self::ExpireDelegationToken => "ExpireDelegationToken",
            Self::DescribeDelegationToken => "DescribeDelegationToken",
            Self::DeleteGroups => "DeleteGroups",
            Self::ElectLeaders => "ElectLeaders",
            Self::IncrementalAlterConfigs => "IncrementalAlterConfigs",
            Self::AlterPartitionReassignments => "AlterPartitionReassignments",
            Self::ListPartitionReassignments => "ListPartitionReassignments",
            Self::OffsetDelete => "OffsetDelete",
            Self::DescribeClientQuotas => "DescribeClientQuotas",
            Self::AlterClientQuotas => "AlterClientQuotas",
            Self::DescribeUserScramCredentials => "DescribeUserScramCredentials",
            Self::AlterUserScramCredentials => "AlterUserScramCredentials",
            Self::Vote => "Vote",
            Self::BeginQuorumEpoch => "BeginQuorumEpoch",
            Self::EndQuorumEpoch => "EndQuorumEpoch",
            Self::DescribeQuorum => "DescribeQuorum",
            Self::AlterPartition => "AlterPartition",
            Self::UpdateFeatures => "UpdateFeatures",
            Self::Envelope => "Envelope",
            Self::FetchSnapshot => "FetchSnapshot",
            Self::DescribeCluster => "DescribeCluster",
            Self::DescribeProducers => "DescribeProducers",
            Self::BrokerRegistration => "BrokerRegistration",
            Self::BrokerHeartbeat => "BrokerHeartbeat",
            Self::UnregisterBroker => "UnregisterBroker",
            Self::DescribeTransactions => "DescribeTransactions",
            Self::ListTransactions => "ListTransactions",
            Self::AllocateProducerIds => "AllocateProducerIds",
            Self::ConsumerGroupHeartbeat => "ConsumerGroupHeartbeat",
            Self::ConsumerGroupDescribe => "ConsumerGroupDescribe",
            Self::ControllerRegistration => "ControllerRegistration",
            Self::GetTelemetrySubscriptions => "GetTelemetrySubscriptions",
            Self::PushTelemetry => "PushTelemetry",
            Self::AssignReplicasToDirs => "AssignReplicasToDirs",
            Self::ListConfigResources => "ListConfigResources",
            Self::DescribeTopicPartitions => "DescribeTopicPartitions",
            Self::ShareGroupHeartbeat => "ShareGroupHeartbeat",
            Self::ShareGroupDescribe => "ShareGroupDescribe",
            Self::ShareFetch => "ShareFetch",
            Self::ShareAcknowledge => "ShareAcknowledge",
            Self::AddRaftVoter => "AddRaftVoter",
            Self::RemoveRaftVoter => "RemoveRaftVoter",
            Self::UpdateRaftVoter => "UpdateRaftVoter",
            Self::InitializeShareGroupState => "InitializeShareGroupState",
            Self::ReadShareGroupState => "ReadShareGroupState",
            Self::WriteShareGroupState => "WriteShareGroupState",
            Self::DeleteShareGroupState => "DeleteShareGroupState",
            Self::ReadShareGroupStateSummary => "ReadShareGroupStateSummary",
            Self::StreamsGroupHeartbeat => "StreamsGroupHeartbeat",
            Self::StreamsGroupDescribe => "StreamsGroupDescribe",
            Self::DescribeShareGroupOffsets => "DescribeShareGroupOffsets",
            Self::AlterShareGroupOffsets => "AlterShareGroupOffsets",
            Self::DeleteShareGroupOffsets => "DeleteShareGroupOffsets",
        }
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
