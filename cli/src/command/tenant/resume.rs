//! `acequia tenant resume`: switches an endpoint on again that answered 410, and makes what waits parked for it due now.

use acequia_core::id::{SinkId, TenantId};
use acequia_core::port::{Clock as _, EndpointStore as _, ParkingLot as _};
use serde::Serialize;

use crate::context::{Context, SystemClock};
use crate::exit::Failure;
use crate::output::Report;

#[derive(Serialize)]
struct Answer<'a> {
    tenant: &'a TenantId,
    sink: &'a SinkId,
    resumed: bool,
    hastened: u64,
}

pub(super) async fn run(context: &Context, tenant: &TenantId, sink: &SinkId) -> Result<Report, Failure> {
    let (_, raw) = context.configuration(tenant).await?;
    if !raw.sinks.iter().any(|known| known.id == sink.as_str()) {
        let known: Vec<&str> = raw.sinks.iter().map(|sink| sink.id.as_str()).collect();
        return Err(Failure::NotFound(format!("tenant {tenant} has no sink {sink}; it has {}", known.join(", "))));
    }
    let resumed = context.endpoints().enable(tenant, sink).await?;
    let hastened = context.parking().hasten(tenant, sink, SystemClock.now()).await?;
    let text = if resumed {
        format!("{tenant}: {sink} is on again. `acequia dlq redrive {tenant}` brings back what it missed.")
    } else {
        format!("{tenant}: {sink} was not disabled.")
    };
    let text = match hastened {
        0 => text,
        _ => format!("{text} {hastened} parked messages are due now and come back within a minute or two."),
    };
    Ok(Report::new(&Answer { tenant, sink, resumed, hastened }, text))
}
