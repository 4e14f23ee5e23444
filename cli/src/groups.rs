//! `ottla groups`: list and describe.

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use ottla::{Admin, GroupDescription, GroupState, OffsetSpec, TopicPartition};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{self, Table, or_dash};
use crate::settings::Settings;

/// Lists and describes consumer groups.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the groups of the cluster.
    List,

    /// Shows a group's members, what each was given, what is committed, and how far that is behind. Without names, of
    /// all groups.
    Describe {
        #[arg(value_name = "GROUP")]
        names: Vec<String>,
    },
}

#[derive(Debug, Serialize)]
struct Listing {
    group: String,
    state: Option<String>,
    r#type: Option<String>,
    protocol_type: String,
    coordinator: i32,
}

#[derive(Debug, Serialize)]
struct Described {
    group: String,
    state: String,
    r#type: String,
    protocol_type: String,
    assignor: String,
    /// Of the newer protocol alone, as what else is said of epochs and targets (KIP-848).
    group_epoch: Option<i32>,
    target_assignment_epoch: Option<i32>,
    coordinator: i32,
    members: Vec<Member>,
    partitions: Vec<Partition>,
}

#[derive(Debug, Serialize)]
struct Member {
    member_id: String,
    instance_id: Option<String>,
    client_id: String,
    host: String,
    partitions: usize,
    member_epoch: Option<i32>,
    target_partitions: Option<usize>,
}

/// A partition that is committed or given to a member.
#[derive(Debug, Serialize)]
struct Partition {
    topic: String,
    partition: i32,
    committed: Option<i64>,
    end_offset: Option<i64>,
    lag: Option<i64>,
    member_id: Option<String>,
    /// Who is to have it once the group has settled.
    target_member_id: Option<String>,
}

pub(crate) async fn run(args: Args, settings: &Settings, json: bool) -> Result<(), Failure> {
    let admin = settings.admin()?.build()?;
    match args.action {
        Action::List => print_list(&admin, json).await,
        Action::Describe { names } => describe(&admin, names, json).await,
    }
}

async fn print_list(admin: &Admin, json: bool) -> Result<(), Failure> {
    let found = admin.list_groups().await?;
    let groups: Vec<Listing> = found
        .groups
        .into_iter()
        .map(|group| Listing {
            group: group.group,
            state: group.state.map(|state| state.to_string()),
            r#type: group.group_type.map(|group_type| group_type.to_string()),
            protocol_type: group.protocol_type,
            coordinator: group.coordinator,
        })
        .collect();
    if json {
        output::json(&groups)?;
    } else {
        let mut table = Table::new(&["GROUP", "STATE", "TYPE", "PROTOCOL", ">COORDINATOR"]);
        for group in groups {
            let protocol = Some(group.protocol_type).filter(|protocol| !protocol.is_empty());
            table.row([
                group.group,
                or_dash(group.state),
                or_dash(group.r#type),
                or_dash(protocol),
                group.coordinator.to_string(),
            ]);
        }
        table.print()?;
    }
    let errors: Vec<String> = found
        .errors
        .into_iter()
        .map(|(broker, error)| format!("the groups of broker {broker} are missing: {error}"))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Failure::Failed(errors.join("\n"))) }
}

async fn describe(admin: &Admin, mut names: Vec<String>, json: bool) -> Result<(), Failure> {
    if names.is_empty() {
        names = admin.list_groups().await?.groups.into_iter().map(|group| group.group).collect();
    }
    let (mut groups, mut errors) = (Vec::new(), Vec::new());
    for (name, result) in admin.describe_groups(names).await {
        let described = match result {
            // What brokers before Kafka 4.0 say of a group that is not there.
            Ok(group) if group.state == GroupState::Dead && group.members.is_empty() => {
                Err(format!("there is no group {name}"))
            }
            Ok(group) => with_offsets(admin, group).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match described {
            Ok(group) => groups.push(group),
            Err(error) => errors.push(error),
        }
    }
    if json {
        output::json(&groups)?;
    } else {
        for (index, group) in groups.iter().enumerate() {
            if index > 0 {
                output::line("")?;
            }
            print_description(group)?;
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Failure::Failed(errors.join("\n"))) }
}

/// Adds what the group has committed, and how far that is behind.
async fn with_offsets(admin: &Admin, group: GroupDescription) -> Result<Described, ottla::Error> {
    let committed = admin.list_group_offsets(&group.group).await?;
    let owners: BTreeMap<&TopicPartition, &str> = group
        .members
        .iter()
        .flat_map(|member| member.assignment.iter().map(|of| (of, member.member_id.as_str())))
        .collect();
    let targets: BTreeMap<&TopicPartition, &str> = group
        .members
        .iter()
        .flat_map(|member| member.target_assignment.iter().flatten().map(|of| (of, member.member_id.as_str())))
        .collect();
    let given = owners.keys().chain(targets.keys()).map(|of| (*of).clone());
    let all: BTreeSet<TopicPartition> = committed.keys().cloned().chain(given).collect();
    let ends = admin.list_offsets(all.iter().cloned(), OffsetSpec::Latest).await;
    let partitions = all.iter().map(|of| {
        let committed = committed.get(of).and_then(|offset| offset.as_ref().ok()).map(|committed| committed.offset);
        let end_offset = ends.get(of).and_then(|offset| offset.as_ref().ok().copied());
        Partition {
            topic: of.topic.to_string(),
            partition: of.partition,
            committed,
            end_offset,
            // Below zero where a topic was created anew since, or its log lost its end: that should be seen.
            lag: committed.zip(end_offset).map(|(committed, end)| end.saturating_sub(committed)),
            member_id: owners.get(of).map(|owner| (*owner).to_owned()),
            target_member_id: targets.get(of).map(|owner| (*owner).to_owned()),
        }
    });
    let members = group.members.iter().map(|member| Member {
        member_id: member.member_id.clone(),
        instance_id: member.instance_id.clone(),
        client_id: member.client_id.clone(),
        host: member.host.clone(),
        partitions: member.assignment.len(),
        member_epoch: member.member_epoch,
        target_partitions: member.target_assignment.as_ref().map(Vec::len),
    });
    Ok(Described {
        group: group.group.clone(),
        state: group.state.to_string(),
        r#type: group.group_type.to_string(),
        protocol_type: group.protocol_type.clone(),
        assignor: group.assignor.clone(),
        group_epoch: group.group_epoch,
        target_assignment_epoch: group.target_assignment_epoch,
        coordinator: group.coordinator,
        members: members.collect(),
        partitions: partitions.collect(),
    })
}

fn print_description(group: &Described) -> Result<(), Failure> {
    let assignor = if group.assignor.is_empty() { String::new() } else { format!(", {} assignor", group.assignor) };
    let epoch = group.group_epoch.map(|epoch| format!(", epoch {epoch}")).unwrap_or_default();
    output::line(format_args!("{}  {}{assignor}{epoch}, coordinator {}", group.group, group.state, group.coordinator))?;
    if !group.partitions.is_empty() {
        let mut table = Table::new(&["TOPIC", ">PARTITION", ">COMMITTED", ">END", ">LAG", "MEMBER"]);
        for partition in &group.partitions {
            table.row([
                partition.topic.clone(),
                partition.partition.to_string(),
                or_dash(partition.committed),
                or_dash(partition.end_offset),
                or_dash(partition.lag),
                or_dash(partition.member_id.as_ref()),
            ]);
        }
        table.print()?;
    }
    if !group.members.is_empty() {
        // Only where the coordinator shares the partitions out may a member be on its way to others than it has.
        let has_targets = group.group_epoch.is_some();
        let mut columns = vec!["MEMBER", "CLIENT", "HOST", ">PARTITIONS"];
        columns.extend(if has_targets { &[">TARGET", ">EPOCH"][..] } else { &[] });
        let mut table = Table::new(&columns);
        for member in &group.members {
            let mut row = vec![member.member_id.clone(), member.client_id.clone(), member.host.clone()];
            row.push(member.partitions.to_string());
            if has_targets {
                row.extend([or_dash(member.target_partitions), or_dash(member.member_epoch)]);
            }
            table.row(row);
        }
        table.print()?;
    }
    Ok(())
}
