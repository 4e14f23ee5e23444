//! Members of one group that come and go while records are written: by either protocol, with any assignor, by list or
//! pattern, committing in every way.

mod listener;
mod member;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ottla_broker::simulation::Simulation;
use parking_lot::Mutex;

use self::settings::Settings;
use super::Plan;
use crate::evidence::value;
use crate::ledger::{Operation, Place};
use crate::stage::Stage;

const GROUP: &str = "billing";

/// What the members of a history share.
#[derive(Clone, Debug)]
struct Group {
    settings: Arc<Settings>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    /// What was handed out to somebody.
    handed: BTreeSet<(Place, i64)>,
    /// Every member is to ask for a rebalance.
    is_nudged: bool,
    /// Everything was, or nothing goes on any more.
    is_over: bool,
}

pub(super) fn plan(seed: u64) -> Plan {
    let settings = Settings::draw(seed);
    let members = (0..settings.members).map(|number| format!("member-{number}"));
    let mut simulation = Simulation::new().groups([GROUP]).processes(members);
    for (topic, partitions) in &settings.topics {
        simulation = simulation.topic(topic, *partitions);
    }
    let simulation = simulation.broker(|builder| {
        let builder = builder
            .group_initial_rebalance_delay(settings.initial_delay)
            .group_session_timeouts(Duration::from_secs(1)..=Duration::from_secs(60))
            .consumer_group_session_timeout(settings.session_timeout)
            .consumer_group_heartbeat_interval(settings.heartbeat_interval)
            .consumer_group_assignment_interval(settings.initial_delay);
        if settings.has_racks { builder.racks(["a", "b", "c"]).rack_aware_reads(true) } else { builder }
    });
    Plan { simulation, topics: settings.all_topics() }
}

pub(super) async fn run(stage: Stage) {
    let settings = Arc::new(Settings::draw(stage.world().seed()));
    let group = Group { settings: settings.clone(), progress: Arc::default() };
    let members = (0..settings.members).map(|number| {
        let (stage, group) = (stage.clone(), group.clone());
        let name = format!("member-{number}");
        Box::pin(async move { stage.live(&name, |life| member::run(life, number, group.clone())).await })
    });
    let mut members: Vec<_> = members.collect();
    let members = std::future::poll_fn(move |context| {
        members.retain_mut(|member| member.as_mut().poll(context).is_pending());
        if members.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    });
    let watched = async {
        write(&stage, &settings).await;
        follow(&stage, &group).await;
    };
    tokio::select! {
        biased;
        ((), ()) = async { tokio::join!(members, watched) } => {}
        () = observe(&stage, &settings) => {}
    }
    // The last commits.
    observed(&stage, &settings, &mut BTreeMap::new());
}

/// Writes for as long as things go wrong; in the middle there may come partitions and a topic.
async fn write(stage: &Stage, settings: &Settings) {
    let draw = |most: u64| stage.world().random(|random| random.u64(0..=most));
    let grows_after = draw(30_000);
    let mut is_grown = !settings.grows;
    while stage.world().is_faulty() {
        if !is_grown && stage.world().now() > Duration::from_millis(grows_after) {
            settings.grow(stage.world());
            is_grown = true;
        }
        let topics = settings.all_topics();
        let (topic, partitions) = stage.world().random(|random| random.choice(&topics).cloned()).unwrap();
        let partition = draw(u64::from(partitions) - 1) as i32;
        let values: Vec<_> = (0..=draw(9)).map(|_| value(stage.new_id(), 20)).collect();
        // There may be no such partition yet.
        let _ = stage.world().broker().append(&topic, partition, values);
        tokio::time::sleep(Duration::from_millis(draw(500))).await;
    }
    if !is_grown {
        settings.grow(stage.world());
    }
    // In the end each has something to read.
    for (topic, partitions) in settings.all_topics() {
        for partition in 0..i32::from(partitions) {
            stage.world().broker().append(&topic, partition, [value(stage.new_id(), 20)]).unwrap();
        }
    }
}

/// Waits until the group was handed everything, or has stood still for longer than it may.
async fn follow(stage: &Stage, group: &Group) {
    let mut left: BTreeSet<(Place, i64)> = BTreeSet::new();
    for (topic, partitions) in group.settings.all_topics() {
        for partition in 0..i32::from(partitions) {
            let records = stage.world().broker().log(&topic, partition).records();
            left.extend(records.iter().map(|record| ((topic.clone(), partition), record.offset)));
        }
    }
    let now = || stage.world().now();
    let mut moved = now();
    while !left.is_empty() && now() - moved <= group.settings.standstill() + Duration::from_secs(1) {
        let before = left.len();
        {
            let handed = &group.progress.lock().handed;
            left.retain(|record| !handed.contains(record));
        }
        if left.len() < before {
            moved = now();
        } else if group.settings.may_forget_partitions() && now() - moved > group.settings.standstill() {
            let was_nudged = std::mem::replace(&mut group.progress.lock().is_nudged, true);
            if !was_nudged {
                moved = now();
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let of = group.settings.members as usize;
    let members = || stage.world().broker().group(GROUP).map_or(0, |group| group.members.len());
    let began = now();
    while members() != of && now() - began <= group.settings.standstill() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.saw(Operation::Joined { members: members(), of });
    group.progress.lock().is_over = true;
}

/// Notes what the coordinator has of commits, as they come.
async fn observe(stage: &Stage, settings: &Settings) {
    let mut known = BTreeMap::new();
    loop {
        observed(stage, settings, &mut known);
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn observed(stage: &Stage, settings: &Settings, known: &mut BTreeMap<Place, i64>) {
    for (topic, partitions) in settings.all_topics() {
        for partition in 0..i32::from(partitions) {
            let Some(committed) = stage.world().broker().committed(GROUP, &topic, partition) else { continue };
            let place = (topic.clone(), partition);
            if known.insert(place.clone(), committed.offset) != Some(committed.offset) {
                stage.saw(Operation::GroupCommitted { place, offset: committed.offset });
            }
        }
    }
}
