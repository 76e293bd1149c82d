//! The in-memory ports pass the suites that the real ones pass.

mod ledger {
    acequia_testkit::suite!(ledger, acequia_testkit::InMemoryLedger::new());
}

mod tenants {
    acequia_testkit::suite!(tenants, acequia_testkit::InMemoryTenants::new());
}

mod api_keys {
    acequia_testkit::suite!(api_keys, acequia_testkit::InMemoryTenants::new());
}

mod queues {
    acequia_testkit::suite!(queues, acequia_testkit::InMemoryQueues::default());
}

mod secrets {
    acequia_testkit::suite!(secrets, acequia_testkit::InMemorySecrets::new());
}

mod grants {
    acequia_testkit::suite!(grants, acequia_testkit::InMemoryGrants::new());
}

mod audit_copies {
    acequia_testkit::suite!(audit_copies, acequia_testkit::InMemoryAuditCopies::new());
}

mod archive {
    acequia_testkit::suite!(archive, acequia_testkit::InMemoryArchive::new());
}

mod tables {
    acequia_testkit::suite!(tables, acequia_testkit::InMemoryTables::new());
}

mod archive_upkeep {
    acequia_testkit::suite!(archive_upkeep, acequia_testkit::InMemoryArchive::new());
}

mod archive_reader {
    acequia_testkit::suite!(archive_reader, acequia_testkit::InMemoryArchive::new());
}

mod archive_eraser {
    acequia_testkit::suite!(archive_eraser, acequia_testkit::InMemoryArchive::new());
}

mod replays {
    acequia_testkit::suite!(replays, acequia_testkit::InMemoryReplays::new());
}

mod topics {
    acequia_testkit::suite!(topics, acequia_testkit::InMemoryTopics::new());
}

mod rates {
    acequia_testkit::suite!(rates, acequia_testkit::InMemoryRates::new());
}

mod endpoints {
    acequia_testkit::suite!(endpoints, acequia_testkit::InMemoryEndpoints::new());
}

mod journal {
    acequia_testkit::suite!(journal, acequia_testkit::InMemoryJournal::new());
}

mod consents {
    acequia_testkit::suite!(consents, acequia_testkit::InMemoryConsents::new());
}

mod mail_store {
    acequia_testkit::suite!(mail_store, acequia_testkit::InMemoryMailStore::new());
}

mod delays {
    acequia_testkit::suite!(delays, acequia_testkit::InMemoryDelays::new());
}

mod crash_markers {
    acequia_testkit::suite!(crash_markers, acequia_testkit::InMemoryLedger::new());
}

mod findings {
    acequia_testkit::suite!(findings, acequia_testkit::InMemoryFindings::new());
}

mod watched {
    acequia_testkit::suite!(watched, acequia_testkit::InMemoryWatched::default());
}

mod ages {
    acequia_testkit::suite!(ages, acequia_testkit::InMemoryAges::default());
}

mod dead_letters {
    acequia_testkit::suite!(dead_letters, acequia_testkit::InMemoryQueues::default());
}

mod depths {
    acequia_testkit::suite!(depths, acequia_testkit::InMemoryQueues::default());
}

mod alerts {
    acequia_testkit::suite!(alerts, acequia_testkit::InMemoryAlerts::new());
}

mod mailer {
    acequia_testkit::suite!(mailer, acequia_testkit::InMemoryMailer::new());
}

mod stage_queues {
    acequia_testkit::suite!(stage_queues, acequia_testkit::InMemoryStageQueues::default());
}

mod platform {
    acequia_testkit::suite!(platform, acequia_testkit::InMemoryPlatform::default());
}

mod intake {
    acequia_testkit::suite!(intake, acequia_testkit::InMemoryIntake::new());
}
