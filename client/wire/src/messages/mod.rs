//! The messages of the protocol.

mod api_key;

pub use api_key::ApiKey;
