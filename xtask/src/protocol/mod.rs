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

/// The APIs that the client speaks, and the newest version of each that a 2.1 broker speaks: older ones are never
/// chosen. 0 for what came after 2.1, and for ApiVersions, whose version 0 answers every broker's "unsupported".
const APIS: &[(&str, i16)] = &[
    ("Produce", 7),
    ("Fetch", 10),
    ("ListOffsets", 4),
    ("Metadata", 7),
    ("OffsetCommit", 6),
    ("OffsetFetch", 5),
    ("FindCoordinator", 2),
    ("JoinGroup", 3),
    ("Heartbeat", 2),
    ("LeaveGroup", 2),
    ("SyncGroup", 2),
    ("DescribeGroups", 2),
    ("ListGroups", 2),
    ("ApiVersions", 0),
    ("CreateTopics", 3),
    ("DeleteTopics", 3),
    ("InitProducerId", 1),
];

/// What members of a group put into bytes that brokers pass on.
const DATA: &[&str] = &["ConsumerProtocolSubscription", "ConsumerProtocolAssignment"];

/// Where the crate kafka-protocol, the second opinion in tests, ends before Kafka's newest version does.
const SECOND_OPINION_ENDS: &[(&str, i16)] = &[
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
    for (api, first) in APIS {
        let request = definitions.named(&format!("{api}Request"))?;
        let response = definitions.named(&format!("{api}Response"))?;
        let versions = request.stable_versions()?.from(*first);
        let key = request.api_key.with_context(|| format!("{api} has no key"))?;
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
        files.push(File::test(&message.file(), pairs::text(message)));
    }
    files
}
