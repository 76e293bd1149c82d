//! Which statuses are tried again, which refuse the delivery for good, and what they are to the circuit.

use std::time::Duration;

use acequia_core::delivery::breaker::Circuit;
use acequia_core::port::EndpointStore as _;
use acequia_testkit::build;

use crate::world::{Manners, Server, events, world};

#[tokio::test]
async fn only_2xx_is_success_and_all_else_is_tried_again_but_what_refuses_the_payload() {
    for (code, reason) in [
        (200, None),
        (204, None),
        (299, None),
        (400, Some("http-status")),
        (410, Some("endpoint-gone")),
        (413, Some("http-status")),
        (415, Some("http-status")),
        (422, Some("http-status")),
    ] {
        let server = Server::start(Manners::answers(code, "")).await;
        let world = world(&server.url(), "");
        assert!(world.deliver_one("1").await.is_empty(), "{code}");
        let reasons: Vec<String> = world.dead_letters().into_iter().map(|(reason, _)| reason).collect();
        assert_eq!(reasons, reason.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{code}");
    }
    for code in [300, 304, 399, 401, 403, 404, 405, 408, 409, 421, 423, 425, 429, 451, 500, 501, 503, 504, 599, 999] {
        let server = Server::start(Manners::answers(code, "")).await;
        let world = world(&server.url(), "");
        assert_eq!(world.deliver_one("1").await, ["1"], "{code}");
        assert!(world.dead_letters().is_empty(), "{code}");
        assert_eq!(world.failed(), [(format!("http-{code}"), 1)]);
    }
}

#[tokio::test]
async fn a_redirect_makes_no_second_request_is_tried_again_and_says_that_it_is_not_followed() {
    let trap = Server::start(Manners::answers(204, "")).await;
    for code in [301, 302, 303, 307, 308] {
        let server = Server::start(Manners::answers(code, &format!("location: {}\r\n", trap.url()))).await;
        let world = world(&server.url(), "");
        assert_eq!(world.deliver_one("1").await, ["1"]);
        assert_eq!(world.detail("1"), format!("the endpoint answered {code}: redirects are not followed"));
        assert_eq!((server.requests(), trap.requests()), (1, 0));
    }
}

#[tokio::test]
async fn a_sink_names_further_statuses_that_are_permanent_for_it() {
    let server = Server::start(Manners::answers(404, "")).await;
    let world = world(&server.url(), r#","permanent":[404]"#);
    assert!(world.deliver_one("1").await.is_empty());
    let text = "the endpoint answered 404, which is permanent for this sink".to_owned();
    assert_eq!(world.dead_letters(), [("http-status".to_owned(), text)]);
    server.switch(Manners::answers(403, ""));
    assert_eq!(world.deliver_one("2").await, ["2"], "it named no other one");
    server.switch(Manners::answers(404, ""));
    world.deliver(&events(10, 20), 1).await;
    world.deliver(&events(30, 20), 1).await;
    assert_eq!(server.requests(), 42, "an answer that is final for a delivery opens no circuit");
}

#[tokio::test]
async fn an_endpoint_that_answers_404_opens_its_circuit_and_the_operators_are_told() {
    let server = Server::start(Manners::answers(404, "")).await;
    let world = world(&server.url(), "");
    world.deliver(&events(0, 30), 1).await;
    world.deliver(&events(30, 5), 1).await;
    let spent = server.requests();
    assert!((10..30).contains(&spent), "ten failures say enough, and the rest of the batch is held back: {spent}");
    let state = world.states.state(&build::tenant_id("acme"), &build::sink_id("crm")).await.unwrap().unwrap();
    assert!(matches!(state.circuit, Circuit::Open { .. }) && state.failing.is_some(), "status shows it");
    assert!(world.alerts.told().is_empty(), "a deployment takes as long");
    for (number, wait) in [30, 60, 120, 240].into_iter().enumerate() {
        world.clock.advance(Duration::from_secs(wait + 1));
        world.deliver(&events(100 + 10 * u32::try_from(number).unwrap(), 3), 1).await;
        assert_eq!(server.requests(), spent + 1 + number, "one probe at a time");
    }
    let told = world.alerts.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, "Acequia: crm of acme fails: its circuit is open");
    assert!(told[0].2.contains("acequia status acme"), "{told:?}");
    server.switch(Manners::answers(204, ""));
    world.clock.advance(Duration::from_mins(9));
    world.deliver(&events(200, 1), 1).await;
    world.deliver(&events(210, 5), 1).await;
    assert_eq!(server.requests(), spent + 10, "it is well again");
    assert!(world.dead_letters().is_empty(), "and nobody has to redrive anything");
}
