//! One reader: seeks, pauses, assigns anew, and at last reads to the end.

use std::time::Duration;

use ottla::config::OffsetReset;
use ottla::{Consumer, Kind, OffsetAndMetadata, TopicPartition};

use super::{Damage, Settings, TOPIC};
use crate::evidence::id;
use crate::ledger::{Member, Operation, Place, Target};
use crate::stage::Life;

struct Reader {
    life: Life,
    number: u32,
    settings: Settings,
    damage: Damage,
    consumer: Consumer,
    built: u32,
    in_group: bool,
    /// Where new partitions begin, if that is known.
    begins: Option<i64>,
    pace: u64,
}

/// How long a reader may take to the end of a partition once nothing goes wrong any more: longer than a request that
/// nobody answers.
const STANDSTILL: Duration = Duration::from_secs(60);

pub(super) async fn run(life: Life, number: u32, settings: Settings, damage: Damage) {
    let mut reader = Reader::new(life, number, settings, damage, 1);
    reader.assigns().await;
    while reader.life.stage().world().is_faulty() {
        reader.acts().await;
        reader.polls().await;
    }
    reader.finishes().await;
    let timeout = Duration::from_secs(30);
    let _ = reader.life.within("close", timeout, reader.consumer.close(timeout)).await;
}

impl Reader {
    fn new(life: Life, number: u32, settings: Settings, damage: Damage, built: u32) -> Self {
        let draw = |of: &[u32]| life.random(|random| *random.choice(of).unwrap());
        let in_group = draw(&[0, 1]) == 1;
        let reset = [
            OffsetReset::Earliest,
            OffsetReset::ByDuration(Duration::from_secs(86_400)),
            OffsetReset::Latest,
            OffsetReset::None,
        ][draw(&[0, 1, 2, 3]) as usize];
        let mut builder = Consumer::builder(life.stage().world().bootstrap())
            .process(life.process())
            .client_id(life.name())
            .auto_offset_reset(reset)
            .enable_auto_commit(false)
            .request_timeout(Duration::from_secs(draw(&[2, 15]).into()))
            .default_api_timeout(Duration::from_secs(draw(&[3, 20]).into()))
            .metadata_max_age(Duration::from_secs(draw(&[1, 5]).into()))
            .fetch_max_wait(Duration::from_millis(draw(&[20, 500]).into()))
            .max_partition_fetch_bytes(draw(&[60, 400, 1_000_000]))
            .fetch_max_bytes(draw(&[100, 1_000_000]))
            .max_poll_records(draw(&[3, 20, 500]) as usize);
        if in_group {
            builder = builder.group(format!("audit-{number}"));
        }
        if settings.has_racks {
            builder = builder.client_rack(["", "a", "b"][draw(&[0, 1, 2]) as usize]);
        }
        let is_from_start = matches!(reset, OffsetReset::Earliest | OffsetReset::ByDuration(_));
        let begins = (is_from_start && !in_group).then_some(0);
        let pace = draw(&[5, 50, 400]).into();
        Self { consumer: builder.build().unwrap(), life, number, settings, damage, built, in_group, begins, pace }
    }

    fn draw(&self, most: u64) -> u64 {
        self.life.random(|random| random.u64(0..=most))
    }

    fn end(&self, partition: &TopicPartition) -> i64 {
        self.life.stage().world().broker().log(TOPIC, partition.partition).end_offset()
    }

    fn note(&self, what: &str) {
        self.life.stage().world().note(format!("{}: {what}", self.life.name()));
    }

    fn any(&self) -> Option<TopicPartition> {
        let assignment = self.consumer.assignment();
        self.life.random(|random| random.choice(&assignment).cloned())
    }

    /// Some of the partitions, or all.
    async fn assigns(&self) {
        let mut chosen: Vec<_> = (0..i32::from(self.settings.partitions)).collect();
        chosen.retain(|_| self.draw(3) > 0);
        if chosen.is_empty() {
            chosen.push(0);
        }
        let places = chosen.iter().map(|partition| (TOPIC.to_owned(), *partition)).collect();
        self.life.did(Operation::Assigned { consumer: self.built, places, from: self.begins });
        let partitions = chosen.into_iter().map(|partition| TopicPartition::new(TOPIC, partition));
        self.consumer.assign(partitions).await.unwrap();
    }

    fn sought(&self, partition: &TopicPartition, to: Target) {
        self.life.did(Operation::Sought { consumer: self.built, place: place(partition), to });
    }

    async fn acts(&mut self) {
        let Some(one) = self.any() else { return };
        match self.draw(99) {
            0..4 => {
                let end = self.end(&one);
                let offset = self.draw(end as u64) as i64;
                self.sought(&one, Target::Offset(offset));
                let broker = self.life.stage().world().broker();
                // As if the record before it had been read of the leader that is now.
                let leader_epoch = if self.draw(1) == 0 { broker.leader_epoch(TOPIC, one.partition) } else { None };
                let to = OffsetAndMetadata { leader_epoch, ..OffsetAndMetadata::from(offset) };
                self.consumer.seek(&one, to).await.unwrap();
            }
            4 => {
                // There is no such offset yet, or there will be one.
                self.sought(&one, Target::Somewhere);
                self.consumer.seek(&one, self.end(&one) + 10).await.unwrap();
            }
            5..7 => {
                self.sought(&one, Target::Offset(0));
                self.consumer.seek_to_beginning([&one]).await.unwrap();
            }
            7..9 => {
                self.sought(&one, Target::NotBefore(self.end(&one)));
                self.consumer.seek_to_end([&one]).await.unwrap();
            }
            9 => self.seeks_time(&one).await,
            10..15 => {
                self.consumer.pause([&one]).await.unwrap();
                self.life.did(Operation::Paused { consumer: self.built, place: place(&one), is_paused: true });
            }
            15..21 => self.resumes(&one).await,
            21..23 => self.assigns().await,
            23..26 if self.in_group => {
                let _ = self.life.within("commit", Duration::from_secs(20), self.consumer.commit()).await;
            }
            26 if self.in_group => {
                // What that is depends on the commits before.
                for partition in self.consumer.assignment() {
                    self.sought(&partition, Target::Somewhere);
                }
                self.consumer.seek_to_committed().await.unwrap();
            }
            27 => {
                let end = self.life.within("end offsets", Duration::from_secs(20), self.consumer.end_offsets([&one]));
                let end = end.await;
                self.note(&format!("end offsets: {end:?}"));
            }
            28 => {
                if self.draw(1) == 0 {
                    let _ = self.consumer.close(Duration::from_millis(self.draw(2_000))).await;
                }
                let (life, damage) = (self.life.clone(), self.damage.clone());
                *self = Self::new(life, self.number, self.settings, damage, self.built + 1);
                self.assigns().await;
            }
            29..33 => tokio::time::sleep(Duration::from_millis(self.draw(2_000))).await,
            _ => {}
        }
    }

    async fn resumes(&self, one: &TopicPartition) {
        self.life.did(Operation::Paused { consumer: self.built, place: place(one), is_paused: false });
        self.consumer.resume([one]).await.unwrap();
    }

    async fn seeks_time(&self, one: &TopicPartition) {
        let records = self.life.stage().world().broker().log(TOPIC, one.partition).records();
        let Some(timestamp) = self.life.random(|random| random.choice(&records).map(|record| record.timestamp)) else {
            return;
        };
        let asked = self.consumer.offsets_for_times([(one.clone(), timestamp)]);
        let found = self.life.within("offsets for times", Duration::from_secs(20), asked).await;
        let Ok(Some(Some(found))) = found.map(|found| found.get(one).copied()) else { return };
        // Records of one batch have one time: the first of them is meant, whatever became of it.
        let first = records.iter().find(|record| record.timestamp >= timestamp).map(|record| record.offset);
        if !self.settings.is_lossy && !self.settings.has_gaps && !self.settings.has_damage {
            assert_eq!(Some(found.offset), first, "the first record of {one} at {timestamp}");
        }
        self.sought(one, Target::Offset(found.offset));
        self.consumer.seek(one, found.offset).await.unwrap();
    }

    async fn polls(&self) {
        let is_faulty = self.life.stage().world().is_faulty();
        let wait = Duration::from_millis(self.life.random(|random| *random.choice(&[0, 10, 100, 500]).unwrap()));
        let poll = self.consumer.poll(wait);
        let polled = if is_faulty && self.draw(7) == 0 {
            tokio::time::timeout(Duration::from_millis(self.draw(60)), poll).await
        } else {
            Ok(poll.await)
        };
        match polled {
            Ok(Ok(records)) => {
                for partition in records.partitions() {
                    let of = records.of(partition);
                    let of: Vec<_> =
                        of.map(|record| (record.offset(), id(record.value().unwrap_or_default()))).collect();
                    let (place, member) = (place(partition), Member::default());
                    if !of.is_empty() {
                        self.life.did(Operation::Handed { consumer: self.built, place, member, records: of });
                    }
                }
            }
            Ok(Err(error)) => {
                self.note(&format!("poll: {error}"));
                if let Some(partition) = error.partition().cloned() {
                    self.goes_past(&partition, error.kind()).await;
                }
            }
            Err(_) => {}
        }
        let pause = if is_faulty { self.draw(self.pace).max(1) } else { 5 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }

    /// What a user does about an error that names a partition.
    async fn goes_past(&self, partition: &TopicPartition, kind: Kind) {
        if kind == Kind::Protocol {
            let Ok(position) = self.consumer.position(partition).await else { return };
            let behind = self.behind_damage(partition, position);
            if let Some(behind) = behind {
                self.sought(partition, Target::Offset(behind));
                self.consumer.seek(partition, behind).await.unwrap();
            }
        } else if self.consumer.assignment().contains(partition) {
            // There is no such offset, or none to start from, and no policy.
            self.sought(partition, Target::Offset(0));
            self.consumer.seek_to_beginning([partition]).await.unwrap();
        }
    }

    /// The first offset that can be read again, if what comes next cannot: it may have been sent into the middle of a
    /// damaged batch, or all that was left before one is compacted away.
    fn behind_damage(&self, partition: &TopicPartition, position: i64) -> Option<i64> {
        let place = place(partition);
        let records = self.life.stage().world().broker().log(TOPIC, partition.partition).records();
        let next = records.iter().map(|record| record.offset).find(|offset| *offset >= position).unwrap_or(i64::MAX);
        let damage = self.damage.lock();
        let of = damage.iter().filter(|((at, _), _)| *at == place);
        let mut ends = of.map(|((_, from), offsets)| (*from, from + offsets));
        ends.find(|(from, to)| position < *to && *from < next).map(|(_, to)| to)
    }

    /// Reads to the end of each partition, and says so where it does not come there.
    async fn finishes(&self) {
        for partition in self.consumer.assignment() {
            self.resumes(&partition).await;
        }
        let began = self.life.stage().world().now();
        loop {
            for _ in 0..5 {
                self.polls().await;
            }
            let mut behind = Vec::new();
            for partition in self.consumer.assignment() {
                let position = self.consumer.position(&partition).await;
                if position.as_ref().ok() != Some(&self.end(&partition)) {
                    behind.push((partition, position));
                }
            }
            if behind.is_empty() {
                return;
            }
            if self.life.stage().world().now() - began > STANDSTILL {
                for (partition, position) in behind {
                    let at = format!("{position:?} of {}", self.end(&partition));
                    self.life.did(Operation::Stuck { consumer: self.built, place: place(&partition), at });
                }
                return;
            }
        }
    }
}

fn place(partition: &TopicPartition) -> Place {
    (partition.topic.to_string(), partition.partition)
}
