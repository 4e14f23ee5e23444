//! What was fetched and not handed out yet: bounded by what is asked for, fair between partitions.

use std::collections::VecDeque;

use bytes::Bytes;
use ottla_wire::records::batches;

use super::decode::Item;
use crate::TopicPartition;

/// The batches of one partition, in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    /// Whether the partition is in the order of [`Turns`].
    in_turn: bool,
}

/// In which order partitions hand out: each once, the one that was served last at the end.
#[derive(Debug, Default)]
pub(super) struct Turns {
    order: VecDeque<TopicPartition>,
    /// How many were looked at to see whether they are to stay.
    #[cfg(test)]
    pub(super) looks: usize,
}

impl Queue {
    /// Bytes as they were fetched.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether it ends with what cannot be read: nothing is to be fetched behind that.
    pub(super) fn is_flawed(&self) -> bool {
        matches!(self.items.back(), Some(Item::Flaw(_)))
    }

    pub(super) fn push(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    /// Puts back what is left of the item that was popped last.
    pub(super) fn unpop(&mut self, item: Item) {
        self.bytes += item.bytes();
        self.items.push_front(item);
    }

    pub(super) fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.bytes();
        Some(item)
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes = 0;
    }

    /// Copies what is held into memory of its own: a partition that rests must not keep whole answers in memory.
    pub(super) fn unshare(&mut self) {
        for item in &mut self.items {
            let (Item::Raw(batch) | Item::Skipped(batch)) = item else { continue };
            if let Some(Ok(copy)) = batches(Bytes::copy_from_slice(batch.bytes())).next() {
                *batch = copy;
            }
        }
    }
}

impl Turns {
    /// Gives the partition a turn, unless it has one.
    pub(super) fn add(&mut self, partition: &TopicPartition, queue: &mut Queue) {
        if !std::mem::replace(&mut queue.in_turn, true) {
            self.order.push_back(partition.clone());
        }
    }

    /// How many partitions have a turn.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whose turn it is.
    pub(super) fn front(&self) -> Option<&TopicPartition> {
        self.order.front()
    }

    /// Lets the next have its turn; this one comes again.
    pub(super) fn rotate(&mut self) {
        if let Some(front) = self.order.pop_front() {
            self.order.push_back(front);
        }
    }

    /// The partition whose turn it is has nothing left.
    pub(super) fn finish(&mut self, queue: Option<&mut Queue>) {
        self.order.pop_front();
        if let Some(queue) = queue {
            queue.in_turn = false;
        }
    }

    /// Only these are assigned any more.
    pub(super) fn keep(&mut self, is_assigned: impl FnMut(&TopicPartition) -> bool) {
        #[cfg(test)]
        {
            self.looks += self.order.len();
        }
        self.order.retain(is_assigned);
    }

    /// No partition is assigned any more.
    pub(super) fn clear(&mut self) {
        self.order.clear();
    }
}
