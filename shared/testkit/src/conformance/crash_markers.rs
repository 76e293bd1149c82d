//! The suite of crash markers against messages.

use acequia_core::delivery::crash::CrashMarker;
use acequia_core::port::CrashMarkers;

use crate::build::{at, tenant_id};

fn ids() -> Vec<String> {
    (0..30).map(|n| format!("m-{n}")).collect()
}

fn crash_markers(alone: u32) -> Vec<CrashMarker> {
    ids().iter().map(|id| CrashMarker::of(id, alone, at(5))).collect()
}

async fn write(port: &impl CrashMarkers, tenant: &str, crash_markers: &[CrashMarker]) {
    for answer in port.mark(&tenant_id(tenant), crash_markers).await {
        answer.unwrap();
    }
}

/// More than one call writes, in the order of the ids, with messages that have none between them.
pub async fn a_crash_marker_is_read_back_by_its_message(port: &impl CrashMarkers) {
    let written = crash_markers(0);
    write(port, "st-read", &written[..29]).await;
    let mut asked = vec!["m-none".to_owned()];
    asked.extend(ids().into_iter().rev());
    let read = port.crash_markers(&tenant_id("st-read"), &asked).await.unwrap();
    assert_eq!(read[..2], [None, None]);
    assert_eq!(read[2..].iter().flatten().rev().cloned().collect::<Vec<_>>(), written[..29]);
}

/// It says how often the message was alone.
pub async fn the_last_crash_marker_against_a_message_counts(port: &impl CrashMarkers) {
    write(port, "st-last", &crash_markers(0)[..1]).await;
    write(port, "st-last", &crash_markers(2)[..1]).await;
    let read = port.crash_markers(&tenant_id("st-last"), &ids()[..1]).await.unwrap();
    assert_eq!(read[0].as_ref().unwrap().alone, 2);
}

/// Also one that never was.
pub async fn a_crash_marker_that_is_taken_back_is_gone_and_its_neighbours_stay(port: &impl CrashMarkers) {
    write(port, "st-back", &crash_markers(1)[..2]).await;
    let tenant = tenant_id("st-back");
    for answer in port.clear_markers(&tenant, &["m-0".to_owned(), "m-none".to_owned()]).await {
        answer.unwrap();
    }
    let read = port.crash_markers(&tenant, &ids()[..2]).await.unwrap();
    assert_eq!(read.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
}

/// A tenant whose id begins like another's is another.
pub async fn a_crash_marker_is_the_tenants_own(port: &impl CrashMarkers) {
    write(port, "st-iso", &crash_markers(1)[..1]).await;
    let other = tenant_id("st-iso-b");
    assert_eq!(port.crash_markers(&other, &ids()[..1]).await.unwrap(), [None]);
    port.clear_markers(&other, &ids()[..1]).await.remove(0).unwrap();
    assert!(port.crash_markers(&tenant_id("st-iso"), &ids()[..1]).await.unwrap()[0].is_some());
}
