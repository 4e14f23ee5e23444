//! Which partitions a fetch is about: those it names, or those of its session (KIP-227).

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Context, TOPIC_IDS_FROM};
use crate::cluster::Cluster;
use crate::cluster::fetch_sessions::{Key, NO_SESSION, Partitions, Wanted};
use crate::cluster::topics::Topics;

/// The epoch that begins a session.
const INITIAL: i32 = 0;

/// The epoch that ends a session, or says that none is wanted.
const FINAL: i32 = -1;

/// What a fetch has to do with sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Session {
    /// Nothing.
    None,
    /// Its answer begins one, if there is room.
    New,
    /// It belongs to this one, which is to have this epoch when it is answered.
    Known { id: i32, epoch: i32 },
}

/// Whether a request names all partitions, whatever its session has.
pub(super) fn is_full(request: &FetchRequest) -> bool {
    matches!(request.session_epoch, INITIAL | FINAL)
}

/// The partitions to be read, in order, and the session. What the request says of partitions is taken out of it.
///
/// # Errors
/// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH`, `FETCH_SESSION_TOPIC_ID_ERROR`.
pub(super) fn open(
    cluster: &mut Cluster,
    context: &Context,
    request: &mut FetchRequest,
    now: Duration,
) -> Result<(Vec<Wanted>, Session), ResponseError> {
    let uses_topic_ids = context.version >= TOPIC_IDS_FROM;
    let Cluster { topics, fetch_sessions, .. } = cluster;
    let named = named(topics, request, uses_topic_ids);
    let node = usize::try_from(context.node).unwrap_or(usize::MAX);
    let sessions = fetch_sessions.get_mut(node).ok_or(ResponseError::FetchSessionIdNotFound)?;
    if is_full(request) {
        if request.session_id != NO_SESSION {
            sessions.remove(request.session_id);
        }
        let session = if request.session_epoch == FINAL { Session::None } else { Session::New };
        return Ok((once_each(named), session));
    }
    let id = request.session_id;
    let session = sessions.get_mut(id).ok_or(ResponseError::FetchSessionIdNotFound)?;
    if session.epoch != request.session_epoch {
        return Err(ResponseError::InvalidFetchSessionEpoch);
    }
    if session.uses_topic_ids != uses_topic_ids {
        return Err(ResponseError::FetchSessionTopicIdError);
    }
    for wanted in &named {
        session.partitions.want(wanted.clone());
    }
    for topic in std::mem::take(&mut request.forgotten_topics_data) {
        for partition in topic.partitions {
            let key = if uses_topic_ids {
                Key::new(topic.topic_id, None, partition)
            } else {
                Key::new(Uuid::nil(), Some(&topic.topic), partition)
            };
            session.partitions.forget(&key);
        }
    }
    if session.partitions.len() == 0 {
        sessions.remove(id);
        return Ok((once_each(named), Session::None));
    }
    session.advance(now);
    // Topics that have come meanwhile have a name now. One that is known stays, even if the topic is gone.
    for wanted in session.partitions.iter_mut().filter(|wanted| wanted.name.is_none()) {
        wanted.name = name_of(topics, wanted.topic_id);
    }
    let epoch = session.epoch;
    Ok((session.partitions.iter().cloned().collect(), Session::Known { id, epoch }))
}

/// The partitions that the request names.
fn named(topics: &Topics, request: &mut FetchRequest, uses_topic_ids: bool) -> Vec<Wanted> {
    let mut named = Vec::new();
    for topic in std::mem::take(&mut request.topics) {
        let (topic_id, name) = if uses_topic_ids {
            (topic.topic_id, name_of(topics, topic.topic_id))
        } else {
            (Uuid::nil(), Some(topic.topic))
        };
        named.extend(topic.partitions.into_iter().map(|partition| Wanted { topic_id, name: name.clone(), partition }));
    }
    named
}

fn name_of(topics: &Topics, id: Uuid) -> Option<TopicName> {
    topics.name_of(id).map(|name| TopicName(StrBytes::from_string(name.to_owned())))
}

/// The same without repetitions: of a partition that is named twice the last word counts, at the first place.
fn once_each(named: Vec<Wanted>) -> Vec<Wanted> {
    let mut partitions = Partitions::default();
    named.into_iter().for_each(|wanted| partitions.want(wanted));
    partitions.iter().cloned().collect()
}
