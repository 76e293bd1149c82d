//! What the archive's answer comes to.

use acequia_core::archive::ObjectKey;
use acequia_core::delivery::ledger::Receipt;
use acequia_core::outcome::Cause;
use acequia_core::outcome::stall::Store;
use acequia_core::port::Unavailable;

/// Classifies the answer about one object, which is the answer about each delivery in it. The receipt is the object's
/// name.
///
/// # Errors
/// [`Cause::StoreDown`]: the bucket is ours, so whatever it says against an object, the deliveries wait and spend no
/// attempt.
pub fn answer(key: &ObjectKey, answer: Result<bool, Unavailable>) -> Result<Receipt, Cause> {
    match answer {
        // That it was there already says that these deliveries were kept before.
        Ok(_) => Ok(Receipt { id: Some(key.to_string()), status: None }),
        Err(error) => {
            tracing::warn!(tenant.id = %key.tenant, error = ?error, "the archive does not take an object");
            Err(Cause::StoreDown(Store::Archive))
        }
    }
}

#[cfg(test)]
mod tests {
    use acequia_core::archive::Hour;
    use acequia_testkit::build;

    use super::*;

    #[test]
    fn an_object_that_is_there_is_kept_and_one_that_is_not_taken_waits() {
        let key = ObjectKey::of(&build::tenant_id("acme"), Hour::of(build::start()), []);
        let receipt = Receipt { id: Some(key.to_string()), status: None };
        for is_new in [true, false] {
            assert_eq!(answer(&key, Ok(is_new)), Ok(receipt.clone()));
        }
        let down = Unavailable::new("keep an object in the archive", std::fmt::Error);
        assert_eq!(answer(&key, Err(down)), Err(Cause::StoreDown(Store::Archive)));
    }
}
