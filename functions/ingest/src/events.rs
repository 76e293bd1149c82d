//! What became of an event, for who may read it: what `acequia explain` tells.

use std::collections::BTreeMap;

use acequia_core::id::{EventId, TenantId};
use acequia_core::port::Ledger;
use acequia_core::tenant::Tenant;
use acequia_lambda::Timing;
use acequia_lambda::http::HttpResponse;
use acequia_operations::explain;

use crate::problem::Problem;

/// Answers what became of an event, whose name is `source|id`, as it stands in the path.
pub(crate) async fn explain(
    ledger: &impl Ledger,
    tenant: &TenantId,
    settings: &Tenant,
    name: &str,
    timing: Timing<'_>,
) -> Result<HttpResponse, Problem> {
    let event = event_of(name).ok_or_else(Problem::event_name)?;
    let rows = match timing.for_effects(ledger.explain(tenant, &event)).await {
        Some(Ok(rows)) => rows,
        Some(Err(error)) => {
            tracing::warn!(tenant.id = %tenant, error = ?error, "the ledger does not answer");
            return Err(Problem::unavailable());
        }
        None => return Err(Problem::unavailable()),
    };
    let paused: Vec<_> = settings.sinks.iter().filter(|sink| sink.paused).map(|sink| sink.id.clone()).collect();
    let explanation = explain::recorded(tenant, &event, rows, &paused).ok_or_else(Problem::nothing_recorded)?;
    let body = serde_json::to_string(&explanation).map_err(|error| {
        tracing::error!(tenant.id = %tenant, error = %error, "what became of an event cannot be written down");
        Problem::unavailable()
    })?;
    let headers = [("content-type", "application/json".to_owned()), ("cache-control", "no-store".to_owned())];
    Ok(HttpResponse { status_code: 200, headers: BTreeMap::from(headers), body })
}

/// The event of this name. The API hands over a path with percent signs read, as a rule; where the bar is still
/// written as one, all of it is.
fn event_of(name: &str) -> Option<EventId> {
    let read = |name: &str| {
        // A source has no bar in it, and an id may.
        let (source, id) = name.split_once('|')?;
        EventId::new(source, id).ok()
    };
    if name.contains('|') {
        return read(name);
    }
    let plain = percent_encoding::percent_decode_str(name).decode_utf8().ok()?;
    read(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_by_source_and_id_in_either_writing() {
        let event = EventId::new("/a/b", "x|1").unwrap();
        for name in ["/a/b|x|1", "%2Fa%2Fb%7Cx%7C1"] {
            assert_eq!(event_of(name).as_ref(), Some(&event), "{name}");
        }
        let escaped = EventId::new("/a%20b", "1").unwrap();
        assert_eq!(event_of("/a%20b|1"), Some(escaped), "a source may have a percent sign of its own");
        for bad in ["", "x", "|1", "/a|", "%FF%7C1"] {
            assert_eq!(event_of(bad), None, "{bad}");
        }
    }
}
