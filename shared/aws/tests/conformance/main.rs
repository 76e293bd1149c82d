//! The real adapters pass the suites that the in-memory ports pass: on a local AWS, whose address is in
//! `ACEQUIA_TEST_ENDPOINT`.
#![cfg(feature = "emulator")]

mod adapters;
mod alerts;
mod archive_bucket;
mod claim;
mod dead_letters;
mod watch;
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

mod api_keys {
    acequia_testkit::suite!(api_keys, crate::World::load().await.api_keys().await);
}

mod queues {
    acequia_testkit::suite!(queues, crate::World::load().await.queues());
}

mod secrets {
    acequia_testkit::suite!(secrets, crate::World::load().await.secrets().0);
}

mod grants {
    acequia_testkit::suite!(grants, crate::World::load().await.grants());
}

mod audit_copies {
    acequia_testkit::suite!(audit_copies, crate::World::load().await.audit_copies());
}

mod archive {
    acequia_testkit::suite!(archive, crate::World::load().await.archive());
}

mod archive_upkeep {
    acequia_testkit::suite!(archive_upkeep, crate::World::load().await.archive());
}

mod archive_reader {
    acequia_testkit::suite!(archive_reader, crate::World::load().await.archive());
}

mod archive_eraser {
    acequia_testkit::suite!(archive_eraser, crate::World::load().await.archive());
}

mod replays {
    acequia_testkit::suite!(replays, crate::World::load().await.replays().await);
}

mod topics {
    acequia_testkit::suite!(topics, crate::World::load().await.topics());
}

mod rates {
    acequia_testkit::suite!(rates, crate::World::load().await.rates().await);
}

mod endpoints {
    acequia_testkit::suite!(endpoints, crate::World::load().await.endpoints().await);
}

mod intake {
    acequia_testkit::suite!(intake, crate::World::load().await.intake().await);
}

mod journal {
    acequia_testkit::suite!(journal, crate::World::load().await.journal().await);
}

mod consents {
    acequia_testkit::suite!(consents, crate::World::load().await.consents().await);
}

mod mail_store {
    acequia_testkit::suite!(mail_store, crate::World::load().await.mail_store().await);
}

mod delays {
    acequia_testkit::suite!(delays, crate::World::load().await.delays().await);
}

mod crash_markers {
    acequia_testkit::suite!(crash_markers, crate::World::load().await.ledger().await);
}

mod findings {
    acequia_testkit::suite!(findings, crate::World::load().await.findings().await);
}

mod watched {
    acequia_testkit::suite!(watched, crate::watch::RealWatched::new(crate::World::load().await));
}

mod ages {
    acequia_testkit::suite!(ages, crate::watch::RealWatched::new(crate::World::load().await));
}

mod redriving {
    acequia_testkit::suite!(dead_letters, crate::dead_letters::RealDeadLetters::new(crate::World::load().await));
}

mod depths {
    acequia_testkit::suite!(depths, crate::dead_letters::RealDeadLetters::new(crate::World::load().await));
}

mod telling {
    acequia_testkit::suite!(alerts, crate::alerts::RealAlerts::new(crate::World::load().await).await);
}

mod stage_queues {
    acequia_testkit::suite!(stage_queues, crate::watch::RealWatched::new(crate::World::load().await));
}

mod platform {
    acequia_testkit::suite!(platform, crate::World::load().await.platform().await);
}
