//! Which address a mail counts against: the mailbox behind it, as far as the spelling tells.
//!
//! Many providers deliver `ana+x@` to `ana@`, and Gmail leaves out the dots. Who wants to flood a mailbox could ask it
//! under as many names. Two addresses that are taken for one share a count and nothing else: suppression and consent go
//! by the address itself.

use super::id::SubjectId;
use super::record::AddressId;
use crate::id::TenantId;

/// The providers that leave out dots.
const DOTLESS: [&str; 2] = ["gmail.com", "googlemail.com"];

/// The address that a mail to `address` counts against, at one tenant.
pub fn counted(tenant: &TenantId, address: &str) -> AddressId {
    SubjectId::derive(tenant, &fold(address))
}

/// One spelling of a mailbox: in lower case, without a tag, at Gmail without dots.
fn fold(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let Some((local, domain)) = address.rsplit_once('@') else { return address };
    // A local part that begins with a plus has no name before it.
    let name = local.split_once('+').map_or(local, |(name, _)| if name.is_empty() { local } else { name });
    if DOTLESS.contains(&domain) {
        return format!("{}@gmail.com", name.replace('.', ""));
    }
    format!("{name}@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_one_mailbox_are_counted_together_and_other_mailboxes_apart() {
        let tenant: TenantId = "acme".parse().unwrap();
        let counted = |address: &str| counted(&tenant, address);
        for (one, other) in [
            ("ana@example.org", " Ana@Example.org"),
            ("ana@example.org", "ana+1@example.org"),
            ("ana@example.org", "ana+1+2@example.org"),
            ("anab@gmail.com", "a.n.a.b+x@googlemail.com"),
        ] {
            assert_eq!(counted(one), counted(other), "{one} and {other}");
        }
        for (one, other) in [
            ("ana@example.org", "an.a@example.org"),
            ("ana@example.org", "ana@example.com"),
            ("+a@example.org", "+b@example.org"),
            ("no address", "no other"),
        ] {
            assert_ne!(counted(one), counted(other), "{one} and {other}");
        }
    }
}
