//! Fetch requests and their answers, by hand.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Range;

use peer_job::{Failure, Job};

/// Of the API Fetch: the last but one that names topics, with plain lengths.
const VERSION: i16 = 11;
const API: i16 = 1;

/// Of a partition and of all of them, as consumers have it by default.
const PARTITION_BYTES: i32 = 1 << 20;
const MAX_BYTES: i32 = 50 << 20;
const MAX_WAIT_MS: i32 = 500;

/// An answer is not longer.
const LIMIT: usize = 256 << 20;

/// A connection, on which one request is out at most.
pub(crate) struct Fetches {
    stream: TcpStream,
    topic: String,
    request: Vec<u8>,
    /// As long as the longest answer so far.
    buffer: Vec<u8>,
}

/// An answer, without its length.
pub(crate) struct Answer {
    buffer: Vec<u8>,
    length: usize,
}

impl Fetches {
    pub(crate) fn start(job: &Job) -> Result<Self, Failure> {
        let stream = TcpStream::connect(&job.bootstrap)?;
        stream.set_nodelay(true)?;
        let topic = job.topics.first().ok_or("no topic")?.clone();
        Ok(Self { stream, topic, request: Vec::new(), buffer: Vec::new() })
    }

    /// Asks for what is at these offsets, one of each partition.
    pub(crate) fn ask(&mut self, offsets: &[i64]) -> Result<(), Failure> {
        let out = &mut self.request;
        out.clear();
        out.extend([0; 4]);
        out.extend(API.to_be_bytes());
        out.extend(VERSION.to_be_bytes());
        // The number of the request, and no client id.
        out.extend(0_i32.to_be_bytes());
        out.extend((-1_i16).to_be_bytes());
        // No replica.
        out.extend((-1_i32).to_be_bytes());
        out.extend(MAX_WAIT_MS.to_be_bytes());
        out.extend(1_i32.to_be_bytes());
        out.extend(MAX_BYTES.to_be_bytes());
        // Uncommitted records as well, and no session.
        out.push(0);
        out.extend(0_i32.to_be_bytes());
        out.extend((-1_i32).to_be_bytes());
        out.extend(1_i32.to_be_bytes());
        out.extend(i16::try_from(self.topic.len())?.to_be_bytes());
        out.extend(self.topic.as_bytes());
        out.extend(i32::try_from(offsets.len())?.to_be_bytes());
        for (partition, offset) in (0_i32..).zip(offsets) {
            out.extend(partition.to_be_bytes());
            // The leader's epoch is not known, nor where the log begins.
            out.extend((-1_i32).to_be_bytes());
            out.extend(offset.to_be_bytes());
            out.extend((-1_i64).to_be_bytes());
            out.extend(PARTITION_BYTES.to_be_bytes());
        }
        // Nothing forgotten, no rack.
        out.extend(0_i32.to_be_bytes());
        out.extend(0_i16.to_be_bytes());
        let length = i32::try_from(out.len() - 4)?.to_be_bytes();
        out[..4].copy_from_slice(&length);
        Ok(self.stream.write_all(out)?)
    }

    /// Waits for the answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Failure> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        if length > LIMIT {
            return Err(format!("an answer of {length} bytes").into());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        self.stream.read_exact(&mut buffer[..length])?;
        Ok(Answer { buffer, length })
    }

    /// An answer is not needed any more.
    pub(crate) fn done(&mut self, answer: Answer) {
        self.buffer = answer.buffer;
    }
}

impl Answer {
    pub(crate) fn bytes(&self, range: Range<usize>) -> Result<&[u8], Failure> {
        Ok(self.buffer[..self.length].get(range).ok_or("an answer ends early")?)
    }

    /// Where the batches of each partition are.
    pub(crate) fn partitions(&self) -> Result<Vec<(usize, Range<usize>)>, Failure> {
        let mut fields = Fields::of(self.bytes(0..self.length)?);
        let mut partitions = Vec::new();
        // The number of the request, and for how long it is throttled.
        fields.skip(4 + 4)?;
        succeeded(fields.i16()?)?;
        // No session.
        fields.skip(4)?;
        for _ in 0..fields.i32()? {
            let name = usize::try_from(fields.i16()?)?;
            fields.skip(name)?;
            for _ in 0..fields.i32()? {
                let partition = usize::try_from(fields.i32()?)?;
                succeeded(fields.i16()?)?;
                // Where the log ends, for two purposes, and begins.
                fields.skip(8 + 8 + 8)?;
                let aborted = usize::try_from(fields.i32()?.max(0))?;
                // And a replica to read from instead.
                fields.skip(aborted * 16 + 4)?;
                let length = usize::try_from(fields.i32()?.max(0))?;
                let start = self.length - fields.rest.len();
                fields.skip(length)?;
                partitions.push((partition, start..start + length));
            }
        }
        Ok(partitions)
    }
}

fn succeeded(code: i16) -> Result<(), Failure> {
    match code {
        0 => Ok(()),
        code => Err(format!("the broker answers with error code {code}").into()),
    }
}

/// Numbers one after another.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn of(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("an answer ends early")?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn i16(&mut self) -> Result<i16, Failure> {
        self.take().map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Failure> {
        self.take().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Failure> {
        self.take().map(i64::from_be_bytes)
    }

    pub(crate) fn skip(&mut self, bytes: usize) -> Result<(), Failure> {
        self.rest = self.rest.get(bytes..).ok_or("an answer ends early")?;
        Ok(())
    }
}
