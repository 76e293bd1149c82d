//! The real adapters pass the suites that the in-memory ports pass: on a local AWS, whose address is in `ACEQUIA_TEST_ENDPOINT`.
#![cfg(feature = "emulator")]

mod world;

use world::World;

mod ledger_in_batches {
    acequia_testkit::suite!(ledger, crate::World::load().await.ledger().await);
}

mod ledger_put_by_put {
    acequia_testkit::suite!(ledger, crate::World::load().await.ledger_of_puts().await);
}

mod tenants {
    acequia_testkit::suite!(tenants, crate::World::load().await.tenants().await);
}

mod queues {
    acequia_testkit::suite!(queues, crate::World::load().await.queues());
}

mod secrets {
    acequia_testkit::suite!(secrets, crate::World::load().await.secrets().0);
}

mod endpoints {
    acequia_testkit::suite!(endpoints, crate::World::load().await.endpoints().await);
}

/// What the suites cannot ask of every implementation.
mod adapters {
    use acequia_aws::{DynamoLedger, PartiqlClaims};
    use acequia_core::id::SecretName;
    use acequia_core::ledger::{Record, Status};
    use acequia_core::port::{Ledger as _, Secrets as _};
    use acequia_testkit::build;
    use acequia_testkit::conformance::secrets::SecretsInTest as _;

    use super::World;

    #[tokio::test]
    async fn a_secret_is_remembered_for_a_minute_and_then_read_again() {
        let (secrets, clock) = World::load().await.secrets();
        let (tenant, name): (_, SecretName) = (build::tenant_id("memory"), build::secret_name("crm"));
        secrets.put(&tenant, &name, "old").await;
        assert_eq!(secrets.secret(&tenant, &name).await.unwrap().expose(), "old");
        secrets.change_behind_its_back(&tenant, &name, "new").await;
        assert_eq!(secrets.secret(&tenant, &name).await.unwrap().expose(), "old");
        clock.advance(std::time::Duration::from_mins(1));
        assert_eq!(secrets.secret(&tenant, &name).await.unwrap().expose(), "new");
    }

    #[tokio::test]
    async fn a_ledger_that_does_not_answer_fails_every_entry_with_the_operation() {
        let clients = World::load().await.clients;
        let writer = PartiqlClaims::new(clients.dynamodb.clone(), "no-such-table");
        let ledger = DynamoLedger::with_writer(clients.dynamodb, "no-such-table", writer);
        let tenant = build::tenant_id("nowhere");
        let claims: Vec<_> = (0..30).map(|n| build::claim(&n.to_string(), "crm")).collect();
        for verdict in ledger.claim(&tenant, &claims).await {
            assert_eq!(verdict.unwrap_err().to_string(), "cannot claim deliveries in the ledger");
        }
        let record = Record::Delivery(Box::new(build::record("1", "crm", Status::Delivered)));
        assert!(ledger.write(&tenant, &[record]).await.remove(0).is_err());
        assert!(ledger.read(&tenant, &[build::delivery_key("1", "crm")]).await.is_err());
    }
}
