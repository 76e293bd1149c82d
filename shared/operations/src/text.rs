//! Values that a report has as their text.

use std::fmt::Display;

use serde::Serializer;

/// For `#[serde(serialize_with)]`: as it is displayed.
pub(crate) fn shown<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
