//! A webhook source of Amazon's `EventBridge`, by the settings of the page: a stand-in verifies as AWS describes that
//! the source does.
//!
//! From the documentation of `WebhookHmacAuthConfiguration` in botocore 1.44.8: any signature of the header may match;
//! with `BASE64` a leading `whsec_` is taken off the secret, and the decoded key has 16 to 512 bytes; a timestamp may
//! be 300 s off; an id with a period in it is refused. The settings were validated by that model of the API, too; an
//! AWS account has not seen them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use serde_json::Value as Json;
use sha2::Sha256;

use crate::delivery::{Case, SECRET, cases};

/// Whether a source with these settings takes a request.
fn takes(settings: &Json, case: &Case, now: Timestamp) -> Option<()> {
    let text = |name: &str| settings[name].as_str().unwrap_or_else(|| panic!("there is no {name}"));
    let header = |name: &str| case.headers.get(text(name));
    assert_eq!((text("Algorithm"), text("Encoding"), text("SecretEncoding")), ("SHA256", "BASE64", "BASE64"));
    assert_eq!(text("SignedMessageComposition"), "MESSAGE_ID_DOT_TIMESTAMP_DOT_BODY");
    assert_eq!(text("SecretValue"), "whsec_...");
    let key = STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    assert!((16..=512).contains(&key.len()));
    let (id, timestamp) = (header("MessageIdHttpHeader")?, header("TimestampHttpHeader")?);
    let age = now.as_second() - timestamp.parse::<i64>().ok()?;
    if id.contains('.') || age.abs() > 300 {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update([id, ".", timestamp, ".", &case.body].concat().as_bytes());
    let wanted = STANDARD.encode(mac.finalize().into_bytes());
    let mut signatures = header("SignatureHttpHeader")?.split(text("Delimiter"));
    signatures.any(|one| one.strip_prefix(text("SignaturePrefix")) == Some(&wanted)).then_some(())
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the cases are signed at the present")]
async fn a_webhook_source_of_eventbridge_accepts_what_acequia_signs_and_nothing_else() {
    let configuration: Json = serde_json::from_str(&crate::recipe("json")).unwrap();
    let source = &configuration["WebhookEventsConfiguration"];
    let settings = &source["AuthConfiguration"]["HmacAuthConfiguration"];
    for case in cases().await {
        assert_eq!(takes(settings, &case, Timestamp::now()).is_some(), case.status == 204, "{}", case.what);
    }
    assert_eq!(source["MetadataHttpHeaders"][0], settings["MessageIdHttpHeader"], "subscribers can drop repetitions");
}
