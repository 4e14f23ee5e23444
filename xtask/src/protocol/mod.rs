//! `cargo xtask protocol [--check]`: writes the messages of `client/wire` from Kafka's own definitions.
//!
//! ```text
//! kafka-clients jar → definition (JSON) → model (what our versions have) → rust, pairs (text) → rustfmt → files
//! ```
//!
//! With `--check` nothing is written; it fails if the files are not what would be written.

mod api_key;
mod decode;
mod definition;
mod encode;
mod files;
mod jar;
mod model;
mod pairs;
mod rust;
mod versions;

use anyhow::{Context, Result, bail};
use definition::Definitions;
use files::File;
use model::{Message, Role};

/// The APIs that the client speaks. One more is one line more.
const APIS: &[&str] = &[
    "Produce",
    "Fetch",
    "ListOffsets",
    "Metadata",
    "OffsetCommit",
    "OffsetFetch",
    "FindCoordinator",
    "JoinGroup",
    "Heartbeat",
    "LeaveGroup",
    "SyncGroup",
    "DescribeGroups",
    "ListGroups",
    "ApiVersions",
    "CreateTopics",
    "DeleteTopics",
    "InitProducerId",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "EndTxn",
    "TxnOffsetCommit",
    "ConsumerGroupDescribe",
    "ConsumerGroupHeartbeat",
    "GetTelemetrySubscriptions",
    "OffsetForLeaderEpoch",
    "PushTelemetry",
    "ShareAcknowledge",
    "ShareFetch",
    "ShareGroupDescribe",
    "ShareGroupHeartbeat",
];

/// The newest version that Kafka 2.1 speaks, by API key: older ones are never chosen. APIs beyond came later.
#[rustfmt::skip]
const NEWEST_IN_2_1: [i16; 43] = [
    7, 10, 4, 7, 1, 0, 4, 1, 6, 5, 2, 3, 2, 2, 2, 2, 2, 1, 2, 3, 3, 1,
    1, 2, 1, 1, 1, 0, 2, 1, 1, 1, 2, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1,
];

/// Its version 0 stays whatever Kafka 2.1 speaks: a broker answers in it when it does not know the version asked in.
const ANSWERED_IN_VERSION_0: &str = "ApiVersions";

/// What members of a group put into bytes that brokers pass on.
const DATA: &[&str] = &["ConsumerProtocolSubscription", "ConsumerProtocolAssignment"];

/// Where the crate kafka-protocol, the second opinion in tests, ends before Kafka's newest version does; -1 for what it
/// does not have at all.
const SECOND_OPINION_ENDS: &[(&str, i16)] = &[
    ("AddRaftVoterRequest", 0),
    ("AddRaftVoterResponse", 0),
    ("DescribeLogDirsRequest", 4),
    ("DescribeLogDirsResponse", 4),
    ("DescribeShareGroupOffsetsRequest", 0),
    ("DescribeShareGroupOffsetsResponse", 0),
    ("ListOffsetsRequest", 10),
    ("ListOffsetsResponse", 10),
    ("OffsetCommitRequest", 9),
    ("OffsetFetchRequest", 9),
    ("ShareAcknowledgeRequest", 1),
    ("ShareAcknowledgeResponse", 1),
    ("ShareFetchRequest", 1),
    ("ShareFetchResponse", 1),
    ("StreamsGroupDescribeRequest", -1),
    ("StreamsGroupDescribeResponse", -1),
    ("StreamsGroupHeartbeatRequest", -1),
    ("StreamsGroupHeartbeatResponse", -1),
];

/// How the chore is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Protocol {
    /// Writes nothing; fails if the files are not what would be written.
    #[arg(long)]
    check: bool,
}

/// Runs the chore.
///
/// # Errors
/// If the jar cannot be had, a definition holds what the generator does not know, or a file differs from what a check
/// expects.
pub(crate) fn run(protocol: &Protocol) -> Result<()> {
    let definitions = Definitions::read(&jar::message_folder(real::VERSION)?)?;
    let files = files(&definitions, &messages(&definitions)?);
    if protocol.check { files::check(&files) } else { files::write(&files) }
}

fn messages(definitions: &Definitions) -> Result<Vec<Message<'_>>> {
    let mut messages = Vec::new();
    for api in APIS {
        let request = definitions.named(&format!("{api}Request"))?;
        let response = definitions.named(&format!("{api}Response"))?;
        let key = request.api_key.with_context(|| format!("{api} has no key"))?;
        let first = match usize::try_from(key).ok().and_then(|key| NEWEST_IN_2_1.get(key)) {
            Some(newest) if *api != ANSWERED_IN_VERSION_0 => *newest,
            _ => 0,
        };
        let versions = request.stable_versions()?.from(first);
        let (request, response) = (
            Message::new(request, Role::Request { api, key }, versions)?,
            Message::new(response, Role::Response { key }, versions)?,
        );
        if request.flexible != response.flexible {
            bail!("{api}: request and response are not flexible in the same versions");
        }
        messages.extend([request, response]);
    }
    for name in DATA {
        let definition = definitions.named(name)?;
        messages.push(Message::new(definition, Role::Data, definition.stable_versions()?)?);
    }
    Ok(messages)
}

fn files(definitions: &Definitions, messages: &[Message<'_>]) -> Vec<File> {
    let mut files = vec![
        File::source("api_key", api_key::text(definitions)),
        File::source("mod", rust::module(messages)),
        File::test("mod", pairs::module(messages)),
    ];
    for message in messages {
        files.push(File::source(&message.file(), rust::text(message)));
        if pairs::are_there(message) {
            files.push(File::test(&message.file(), pairs::text(message)));
        }
    }
    files
}
