//! `acequia secret put`: writes a secret. Its value comes from stdin or is made here; it never stands on a command
//! line.

use acequia_core::audit::AuditAction;
use acequia_core::secret::{Secret, SecretPurpose};
use acequia_operations::require_platform;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::audited;
use crate::args::PutArgs;
use crate::context::Context;
use crate::failure::Failure;
use crate::input;
use crate::output::Report;

/// The parameter store takes 4 KB in a standard parameter.
const MAX_BYTES: usize = 4096;

#[derive(Serialize)]
struct Written<'a> {
    tenant: &'a str,
    name: &'a str,
    purpose: SecretPurpose,
    /// The new secret where one was made: it is shown this once.
    generated: Option<&'a str>,
}

pub(super) async fn put(context: &Context, arguments: &PutArgs) -> Result<Report, Failure> {
    let PutArgs { tenant, name, purpose, author, .. } = arguments;
    let purpose = *purpose;
    let value = if arguments.value.generate { generate(purpose)? } else { read_value()? };
    check_form(purpose, &value)?;
    let secrets = context.secrets();
    // What is written for a stage that is not there would never be read.
    require_platform(context).await?;
    let writing = async {
        if arguments.value.generate && !arguments.overwrite {
            secrets.put_new(tenant, purpose, name, &value).await
        } else {
            secrets.put(tenant, purpose, name, &value).await.map(|()| true)
        }
    };
    let came_to =
        |is_written: &bool| if *is_written { "written" } else { "there already, and left as it is" }.to_owned();
    let what = format!("{name}, for {purpose}");
    let is_written =
        audited(context, (tenant, &author.ask(context).await), (AuditAction::Secret, &what), writing, came_to).await?;
    if !is_written {
        let list = if purpose == SecretPurpose::Link { "`consent.keys`" } else { "the sink's `secrets`" };
        return Err(Failure::Conflict(format!(
            "{tenant} has a {purpose} secret {name} already. To rotate it, make one of another name and list both in {list}; \
             --overwrite replaces it at once"
        )));
    }
    let generated = arguments.value.generate.then(|| value.expose());
    let text = match generated {
        Some(secret) => {
            let whom = if purpose == SecretPurpose::Link { "nobody" } else { "the receiver" };
            format!("{secret}\n\nThis is the {purpose} secret {name} of {tenant}, shown this once: give it to {whom}.")
        }
        None => format!("The {purpose} secret {name} of {tenant} is written. Functions use it within a minute."),
    };
    Ok(Report::new(&Written { tenant: tenant.as_str(), name: name.as_str(), purpose, generated }, text))
}

/// A signing secret of Standard Webhooks: `whsec_` and 32 random bytes in base64
/// (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme>).
fn generate(purpose: SecretPurpose) -> Result<Secret, Failure> {
    if purpose.can_be_generated() {
        return Ok(Secret::new(format!("whsec_{}", STANDARD.encode(rand::random::<[u8; 32]>()))));
    }
    Err(Failure::Usage(format!(
        "a {purpose} secret cannot be made up, since somebody else says what it is: pass it on stdin with --value-stdin"
    )))
}

/// Refuses what could never serve: it would be found out by the first delivery that needs it.
fn check_form(purpose: SecretPurpose, value: &Secret) -> Result<(), Failure> {
    purpose.check(value).map_err(|unusable| {
        Failure::Invalid(format!("nothing was written, since this cannot be a {purpose} secret: {unusable}"))
    })
}

fn read_value() -> Result<Secret, Failure> {
    // A few bytes more than are taken, so that a longer value is noticed and not cut: of a byte order mark, a line end,
    // and one.
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(6);
    let bytes = input::stdin(most)?;
    // A value that was cut need not be text.
    let text = if bytes.len() > MAX_BYTES + 5 { "x".repeat(bytes.len()) } else { decode(bytes)? };
    check(&Secret::new(text))
}

fn decode(bytes: Vec<u8>) -> Result<String, Failure> {
    input::decode(bytes).map_err(|misencoded| misencoded.of("stdin"))
}

fn check(text: &Secret) -> Result<Secret, Failure> {
    let line = text.expose();
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    let problem = if line.is_empty() {
        "stdin is empty".to_owned()
    } else if line.len() > MAX_BYTES {
        format!("the value is longer than {MAX_BYTES} bytes")
    } else if line.chars().any(char::is_control) {
        "the value has a line end or another control character in it".to_owned()
    } else {
        return Ok(Secret::new(line));
    };
    Err(Failure::Invalid(format!("{problem}: pass the secret's value, and nothing else, on stdin")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_secret_is_a_signing_secret_and_no_two_are_alike() {
        let [one, two] = [SecretPurpose::Webhook, SecretPurpose::Link].map(|purpose| generate(purpose).unwrap());
        assert!(check_form(SecretPurpose::Webhook, &one).is_ok() && check_form(SecretPurpose::Link, &two).is_ok());
        assert!(one.expose().starts_with("whsec_") && one != two);
        let bytes = STANDARD.decode(one.expose().trim_start_matches("whsec_")).unwrap();
        assert_eq!(bytes.len(), 32);
    }

    #[test]
    fn what_others_decide_is_not_made_up_and_what_could_never_serve_is_refused_unseen() {
        for purpose in [SecretPurpose::Header, SecretPurpose::Personal] {
            assert!(
                matches!(generate(purpose), Err(Failure::Usage(text)) if text.contains("--value-stdin")),
                "{purpose}"
            );
        }
        for (purpose, wants) in
            [(SecretPurpose::Webhook, "whsec_"), (SecretPurpose::Link, "whsec_"), (SecretPurpose::Personal, "32 bytes")]
        {
            let refused = check_form(purpose, &Secret::new("hunter2")).unwrap_err();
            assert!(matches!(&refused, Failure::Invalid(text) if text.contains(wants) && !text.contains("hunter2")));
        }
        assert!(check_form(SecretPurpose::Header, &Secret::new("hunter2")).is_ok());
    }

    #[test]
    fn one_line_end_is_taken_off_and_what_cannot_be_a_value_is_refused_unseen() {
        for taken in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(check(&Secret::new(taken)).unwrap().expose(), "s3cret");
        }
        for refused in ["", "\n", "a\nb", &"x".repeat(5_000)] {
            let failure = check(&Secret::new(refused)).unwrap_err().to_string();
            assert!(failure.contains("stdin") && !failure.contains("xxx"), "{failure}");
        }
    }
}
