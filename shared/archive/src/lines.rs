//! Objects of lines: packed, and unpacked again.

use std::io::{Read as _, Write as _};

use crate::{MAX_BYTES, Unreadable};

/// zstd's own default: a quarter of the size of JSON at some 300 MB/s, and higher levels take longer for little.
pub(crate) const LEVEL: i32 = 3;
/// The largest window of zstd, as a power of two: 8 MiB, what every decoder must be able to take
/// (<https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1.2>).
const MAX_WINDOW_LOG: u32 = 23;

/// Packs lines ([`acequia_core::archive::write_line`]), with zstd's checksum of the whole.
///
/// # Errors
/// Where there is no memory for it.
pub fn pack<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> std::io::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packer.include_checksum(true)?;
    for line in lines {
        packer.write_all(line)?;
    }
    packer.finish()
}

/// Unpacks an object whole, so that no line of one that is damaged is used.
///
/// # Errors
/// [`Unreadable`].
pub fn unpack(packed: &[u8]) -> Result<String, Unreadable> {
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

    #[test]
    fn an_object_is_unpacked_whole_or_not_at_all() {
        let whole = pack([&"é\n".repeat(10_000).into_bytes()[..]]).unwrap();
        assert_eq!(unpack(&whole).unwrap().lines().count(), 10_000);
        for place in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            assert_eq!(unpack(&damaged), Err(Unreadable::Damaged), "byte {place}");
        }
        assert_eq!(unpack(&whole[..whole.len() - 1]), Err(Unreadable::Damaged));
        assert_eq!(unpack(&pack([&[0xff][..]]).unwrap()), Err(Unreadable::NoText));
    }

    #[test]
    fn what_becomes_too_large_costs_no_more_than_the_bound() {
        assert_eq!(unpack(&pack([&vec![b'x'; 64 * 1024 * 1024 + 1][..]]).unwrap()), Err(Unreadable::TooLarge));
    }
}
