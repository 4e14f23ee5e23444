//! Reads fields of flexible versions by hand, where the message crate knows the fields but not the version.

use bytes::{Buf, Bytes};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// Reads from the front of a frame.
pub(super) struct Reader<'a>(pub(super) &'a mut Bytes);

impl Reader<'_> {
    fn take(&mut self, length: usize) -> Result<Bytes, String> {
        if length > self.0.len() {
            return Err(format!("{length} bytes are due, {} are there", self.0.len()));
        }
        Ok(self.0.split_to(length))
    }

    fn varint(&mut self) -> Result<usize, String> {
        let mut value = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?.get_u8();
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a varint of more than five bytes".to_owned())
    }

    pub(super) fn bool(&mut self) -> Result<bool, String> {
        Ok(self.take(1)?.get_u8() != 0)
    }

    pub(super) fn i32(&mut self) -> Result<i32, String> {
        Ok(self.take(4)?.get_i32())
    }

    pub(super) fn i64(&mut self) -> Result<i64, String> {
        Ok(self.take(8)?.get_i64())
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, String> {
        Ok(Uuid::from_u128(self.take(16)?.get_u128()))
    }

    pub(super) fn string(&mut self) -> Result<StrBytes, String> {
        Ok(self.nullable_string()?.unwrap_or_default())
    }

    pub(super) fn nullable_string(&mut self) -> Result<Option<StrBytes>, String> {
        let Some(length) = self.varint()?.checked_sub(1) else { return Ok(None) };
        let text = StrBytes::from_utf8(self.take(length)?).map_err(|error| error.to_string())?;
        Ok(Some(text))
    }

    /// An array whose elements `element` reads; `None` if it is null.
    pub(super) fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Option<Vec<T>>, String> {
        let Some(length) = self.varint()?.checked_sub(1) else { return Ok(None) };
        (0..length).map(|_| element(self)).collect::<Result<_, _>>().map(Some)
    }

    /// Passes over tagged fields.
    pub(super) fn tags(&mut self) -> Result<(), String> {
        for _ in 0..self.varint()? {
            let _tag = self.varint()?;
            let length = self.varint()?;
            self.take(length)?;
        }
        Ok(())
    }
}
