//! Requests to one broker: one on a connection of its own, or several on one.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer};

/// The longest that a broker may take. It is also told to it, where a request has a place for that.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// Sends `request` in `version` to the broker at `address` and waits for the response.
///
/// # Errors
/// If the broker can't be reached, doesn't answer within 10 s, or answers what isn't a response to the request.
pub fn call<R: Request>(address: SocketAddr, version: i16, request: &R) -> Result<R::Response> {
    Connection::to(address)
        .and_then(|mut connection| connection.exchange(version, request))
        .with_context(|| format!("API {} of the broker at {address}", R::KEY))
}

/// A connection to one broker.
#[derive(Debug)]
pub struct Connection(TcpStream);

impl Connection {
    /// Connects to the broker at `address`.
    ///
    /// # Errors
    /// If it can't be reached within 10 s.
    pub fn to(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(Self(stream))
    }

    /// Sends `request` in `version` and waits for the response.
    ///
    /// # Errors
    /// If the broker doesn't answer within 10 s, or answers what isn't a response to the request.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.exchange(version, request).with_context(|| format!("API {}", R::KEY))
    }

    fn exchange<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_client_id(Some(StrBytes::from_static_str("real")));
        let mut frame = BytesMut::new();
        encode_request_header_into_buffer(&mut frame, &header)?;
        request.encode(&mut frame, version)?;
        self.0.write_all(&[&u32::try_from(frame.len())?.to_be_bytes(), &frame[..]].concat())?;
        let mut size = [0; 4];
        self.0.read_exact(&mut size)?;
        let mut body = Vec::new();
        (&self.0).take(u32::from_be_bytes(size).into()).read_to_end(&mut body)?;
        let mut body = Bytes::from(body);
        ResponseHeader::decode(&mut body, R::Response::header_version(version))?;
        R::Response::decode(&mut body, version)
    }
}

/// The error that a response's code stands for.
pub(crate) fn check(code: i16) -> Result<(), ResponseError> {
    ResponseError::try_from_code(code).map_or(Ok(()), Err)
}
