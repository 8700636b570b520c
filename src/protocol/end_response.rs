//! END_RESPONSE: the response is complete; may the connection be used again?

use super::error::{CodecError, Field};
use super::reader::Reader;

/// The end of a response. Layout: `05`, reuse flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndResponse {
    /// The container will read another request on this connection.
    ///
    /// True for the byte `01` alone, as the AJPv13 reference defines a boolean. Tomcat sends `00`
    /// after an error, a request it refused (400, 403) among them, and then closes.
    pub reuse: bool,
}

impl EndResponse {
    /// Reads what follows the type byte.
    pub(super) fn decode(mut reader: Reader<'_>) -> Result<EndResponse, CodecError> {
        let reuse = reader.u8(Field::Reuse)? == 0x01;
        reader.finish(Field::Reuse)?;
        Ok(EndResponse { reuse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Result<EndResponse, CodecError> {
        EndResponse::decode(Reader::new(bytes))
    }

    #[test]
    fn only_01_means_reuse() {
        assert_eq!(decode(&[0x01]), Ok(EndResponse { reuse: true }));
        for byte in [0x00, 0x02, 0xFF] {
            assert_eq!(decode(&[byte]), Ok(EndResponse { reuse: false }), "{byte:#04x}");
        }
    }

    #[test]
    fn the_flag_must_be_there_and_be_last() {
        let missing = CodecError::Truncated { field: Field::Reuse, needed: 1, left: 0 };
        assert_eq!(decode(&[]), Err(missing));
        let more = CodecError::TrailingBytes { field: Field::Reuse, left: 1 };
        assert_eq!(decode(&[0x01, 0x00]), Err(more));
    }
}
