//! Bodies that come packed, and how far they are unpacked.
//!
//! Unpacking stops at its bound: what would become more costs no more than that.

use std::borrow::Cow;
use std::io::Read;

use acequia_lambda::http::Body;
use flate2::read::MultiGzDecoder;

use crate::problem::Problem;

/// The largest body on the wire. The API hands over six megabytes of an invocation, of which base64 takes a third.
pub(crate) const MAX_WIRE: usize = 4 * 1024 * 1024;
/// The largest body once it is unpacked.
pub(crate) const MAX_UNPACKED: usize = 10 * 1024 * 1024;
/// The largest window of zstd, as a power of two: 8 MiB, what every decoder must be able to take
/// (<https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1.2>).
const MAX_WINDOW_LOG: u32 = 23;

/// The bytes of a body, unpacked.
pub(crate) fn unpack<'a>(body: &'a Body, encoding: Option<&str>) -> Result<Cow<'a, [u8]>, Problem> {
    let Some(bytes) = body.as_bytes() else { return Err(Problem::malformed("The body is not whole base64.")) };
    if bytes.len() > MAX_WIRE {
        return Err(Problem::too_large(format!(
            "The body has {} bytes; at most {MAX_WIRE} are taken. Send fewer events in a request, or pack them.",
            bytes.len()
        )));
    }
    let encoding = encoding.map(|encoding| encoding.trim().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some("" | "identity") => Ok(Cow::Borrowed(bytes)),
        Some("gzip" | "x-gzip" | "zstd") if matches!(body, Body::Text(_)) => Err(Problem::encoding(
            "The API has read the packed body as text, and destroyed it. Send packed bodies as \
             application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson.",
        )),
        Some("gzip" | "x-gzip") => bounded(MultiGzDecoder::new(bytes), "gzip").map(Cow::Owned),
        Some("zstd") => {
            let mut reader = zstd::Decoder::with_buffer(bytes).map_err(|_| broken("zstd"))?;
            reader.window_log_max(MAX_WINDOW_LOG).map_err(|_| broken("zstd"))?;
            bounded(reader, "zstd").map(Cow::Owned)
        }
        Some(_) => Err(Problem::encoding("Bodies are taken as they are, or packed once with gzip or zstd.")),
    }
}

fn bounded(reader: impl Read, name: &str) -> Result<Vec<u8>, Problem> {
    let mut unpacked = Vec::new();
    let bound = u64::try_from(MAX_UNPACKED).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(bound).read_to_end(&mut unpacked).map_err(|_| broken(name))?;
    if unpacked.len() > MAX_UNPACKED {
        return Err(Problem::too_large(format!(
            "Unpacked, the body has more than {MAX_UNPACKED} bytes. Send fewer events in a request."
        )));
    }
    Ok(unpacked)
}

fn broken(name: &str) -> Problem {
    Problem::malformed(format!("The body is no whole {name}: it is cut off, or something stands behind it."))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn status(body: Vec<u8>, encoding: &str) -> (u16, String) {
        let answer = unpack(&Body::Bytes(body), Some(encoding)).unwrap_err().response();
        (answer.status_code, answer.body)
    }

    #[test]
    fn packed_bodies_are_unpacked_and_others_stay() {
        let text = b"[1,2,3]".repeat(1000);
        let zstd = zstd::encode_all(&*text, 3).unwrap();
        for (packed, encoding) in [(text.clone(), None), (gzip(&text), Some("GZIP")), (zstd, Some(" zstd "))] {
            assert_eq!(*unpack(&Body::Bytes(packed), encoding).unwrap(), *text, "{encoding:?}");
        }
        let two = [gzip(b"a"), gzip(b"b")].concat();
        assert_eq!(*unpack(&Body::Bytes(two), Some("gzip")).unwrap(), *b"ab");
    }

    #[test]
    fn a_bomb_costs_no_more_than_the_bound() {
        let zeros = vec![0; MAX_UNPACKED + 1];
        let bombs = [(gzip(&zeros), "gzip"), (zstd::encode_all(&*zeros, 19).unwrap(), "zstd")];
        for (bomb, encoding) in bombs {
            assert!(bomb.len() < 20_000, "{}", bomb.len());
            assert_eq!(status(bomb, encoding).0, 413, "{encoding}");
        }
        let just = vec![b' '; MAX_UNPACKED];
        assert_eq!(unpack(&Body::Bytes(gzip(&just)), Some("gzip")).unwrap().len(), MAX_UNPACKED);
        assert_eq!(status(vec![0; MAX_WIRE + 1], "gzip").0, 413);
    }

    #[test]
    fn what_is_cut_off_or_has_something_behind_it_is_refused() {
        let whole = gzip(b"[]");
        let behind = [&whole[..], b"x"].concat();
        let zstd = zstd::encode_all(&b"[]"[..], 3).unwrap();
        let broken = [
            (whole[..whole.len() - 4].to_vec(), "gzip"),
            (behind, "gzip"),
            (b"[]".to_vec(), "gzip"),
            (zstd[..zstd.len() - 1].to_vec(), "zstd"),
            (b"[]".to_vec(), "zstd"),
        ];
        for (body, encoding) in broken {
            let (status, text) = status(body, encoding);
            assert_eq!(status, 400, "{text}");
            assert!(text.contains(encoding), "{text}");
        }
        assert_eq!(status(whole, "br").0, 415);
    }

    #[test]
    fn a_packed_body_that_came_as_text_is_refused_with_the_remedy() {
        let answer = unpack(&Body::Text("\u{fffd}".to_owned()), Some("gzip")).unwrap_err().response();
        assert_eq!(answer.status_code, 415);
        assert!(answer.body.contains("application/cloudevents-batch+json"), "{}", answer.body);
        assert!(unpack(&Body::Text("[]".to_owned()), Some("identity")).is_ok());
        assert_eq!(unpack(&Body::Broken, None).unwrap_err().response().status_code, 400);
    }
}
