//! The lines of an object.

use std::io::Read as _;

/// The most that an object may become: a batch of 6 MB, whose events with line ends stand in it twice.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// The largest window of zstd, as a power of two: 8 MiB, what every decoder must be able to take
/// (<https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1.2>).
const MAX_WINDOW_LOG: u32 = 23;

/// Why an object has no lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not whole, or was changed: zstd's checksum covers every byte.
    #[error("it is no whole zstd, or its checksum is another")]
    Damaged,
    /// It becomes too large.
    #[error("unpacked, it has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is no UTF-8")]
    NoText,
}

/// Unpacks an object whole, so that no line of one that is damaged is used.
pub(crate) fn unpack(packed: &[u8]) -> Result<String, Unreadable> {
    let mut decoder = zstd::Decoder::with_buffer(packed).map_err(|_| Unreadable::Damaged)?;
    decoder.window_log_max(MAX_WINDOW_LOG).map_err(|_| Unreadable::Damaged)?;
    let mut bytes = Vec::new();
    decoder.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|_| Unreadable::Damaged)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Unreadable::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Unreadable::NoText)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(content: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
        packer.include_checksum(true).unwrap();
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn an_object_is_unpacked_whole_or_not_at_all() {
        let whole = packed("é\n".repeat(10_000).as_bytes());
        assert_eq!(unpack(&whole).unwrap().lines().count(), 10_000);
        for place in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert_eq!(unpack(&damaged), Err(Unreadable::Damaged), "byte {place}");
        }
        assert_eq!(unpack(&whole[..whole.len() - 1]), Err(Unreadable::Damaged));
        assert_eq!(unpack(&packed(&[0xff])), Err(Unreadable::NoText));
    }

    #[test]
    fn what_becomes_too_large_costs_no_more_than_the_bound() {
        assert_eq!(unpack(&packed(&vec![b'x'; 64 * 1024 * 1024 + 1])), Err(Unreadable::TooLarge));
    }
}
