//! Claims and completes deliveries in rounds of a hundred, through the AWS SDK.

use std::time::Duration;

use acequia_aws::DynamoLedger;
use acequia_core::delivery::ledger::{AttemptNote, ClaimRequest, DeliveryKey, Receipt, Record, Status, Verdict};
use acequia_core::id::{EventId, TenantId, digest};
use acequia_core::kind::SinkKind;
use acequia_core::port::{Chance as _, Clock as _, Ledger as _};
use acequia_core::time::after;
use acequia_lambda::{Environment, SystemChance, SystemClock};
use anyhow::{Context as _, Result, bail};
use bench::instruction::BATCH;

pub(crate) async fn run(rounds: usize) -> Result<()> {
    let mut environment = Environment::of_process();
    let endpoint = environment.text("AWS_ENDPOINT_URL");
    let table = environment.text("LEDGER_TABLE");
    let ledger = DynamoLedger::new(crate::clients(endpoint).dynamodb, table);
    let tenant: TenantId = stub::TENANT.parse()?;
    for round in 0..rounds {
        let requests = requests(round)?;
        let mut done = Vec::with_capacity(requests.len());
        for verdict in ledger.claim(&tenant, &requests).await {
            let Verdict::Claimed { mut record, .. } = verdict? else { bail!("a new delivery was not granted") };
            record.status = Status::Delivered;
            record.attempts_used = 1;
            record.claim = None;
            record.lease_until = None;
            record.receipt = Some(Receipt { id: Some("0100000000000000-0000".to_owned()), status: None });
            record.updated_at = SystemClock.now();
            record.note(AttemptNote {
                number: 1,
                at: record.updated_at,
                outcome: "delivered".to_owned(),
                duration_ms: 45,
                detail: String::new(),
                content: None,
                stages: None,
                fault: None,
            });
            done.push(Record::Delivery(record));
        }
        for written in ledger.write(&tenant, &done).await {
            written.context("a completion was not written")?;
        }
    }
    Ok(())
}

fn requests(round: usize) -> Result<Vec<ClaimRequest>> {
    let (now, token) = (SystemClock.now(), SystemChance.token());
    let mut requests = Vec::with_capacity(BATCH);
    for number in 0..BATCH {
        let id = format!("{round:08}-{number:08}");
        requests.push(ClaimRequest {
            digest: digest(id.as_bytes()),
            key: DeliveryKey {
                event: EventId::new("https://actions.acme.example", &id)?,
                sink: "one".parse()?,
                replay: None,
            },
            replay: None,
            kind: SinkKind::Email,
            config_version: 1,
            accepted_at: now,
            trace_id: None,
            route: None,
            redrives: Vec::new(),
            expedited: false,
            token: token.clone(),
            now,
            lease_until: after(now, Duration::from_mins(1)),
        });
    }
    Ok(requests)
}
