//! Fetching key sets: what bounds it.

use std::time::Duration;

use acequia_core::access::{JwtIssuer, KeySource, Refused};
use acequia_core::egress::Egress;
use serde_json::json;

use crate::issuer::{Answer, Server, Signer};
use crate::world::{World, claims, platform};

async fn refusal(answer: Answer, signer: &Signer) -> (Option<Refused>, Server) {
    let server = Server::start(answer).await;
    let world = World::trusting(vec![platform(&server.url)]);
    (world.refusal(&signer.sign(&claims())).await, server)
}

#[tokio::test]
async fn keys_are_fetched_from_the_url_of_their_issuer() {
    let signer = Signer::new("one");
    let (refused, server) = refusal(Answer::Keys(json!({"keys": [signer.jwk()]})), &signer).await;
    assert_eq!((refused, server.requests()), (None, 1));
}

#[tokio::test]
async fn a_key_set_of_ten_megabytes_is_not_read_whether_it_tells_its_length_or_not() {
    let signer = Signer::new("one");
    for told in [true, false] {
        let (refused, server) = refusal(Answer::Long(10 * 1024 * 1024, told), &signer).await;
        assert_eq!((refused, server.requests()), (Some(Refused::IssuerUnreachable), 1));
        assert!(server.sent() < 8 * 1024 * 1024, "only what was in flight was sent: {}", server.sent());
    }
}

#[tokio::test]
async fn an_answer_that_is_no_success_no_set_or_a_redirect_gives_no_keys() {
    let signer = Signer::new("one");
    let target = Server::of(&[signer.jwk()]).await;
    for answer in [
        Answer::Status(500, String::new()),
        Answer::Status(404, String::new()),
        Answer::Status(302, format!("location: {}\r\n", target.url)),
        Answer::Keys(json!({"keys": []})),
        Answer::Keys(json!([signer.jwk()])),
        Answer::Keys(json!("keys")),
    ] {
        let (refused, _server) = refusal(answer.clone(), &signer).await;
        assert_eq!(refused, Some(Refused::IssuerUnreachable), "{answer:?}");
    }
    assert_eq!(target.requests(), 0, "the redirect was not followed");
}

#[tokio::test]
async fn of_a_fetched_set_a_key_with_a_private_part_is_not_believed_and_its_neighbours_are() {
    let (leaked, good) = (Signer::new("leaked"), Signer::new("good"));
    let mut private = leaked.jwk();
    private["d"] = json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
    let server = Server::of(&[private, good.jwk()]).await;
    let world = World::trusting(vec![platform(&server.url)]);
    assert_eq!(world.refusal(&leaked.sign(&claims())).await, Some(Refused::UnknownSigningKey));
    assert_eq!(world.refusal(&good.sign(&claims())).await, None);
}

#[tokio::test]
async fn an_issuer_that_never_answers_costs_a_request_two_seconds() {
    let signer = Signer::new("one");
    let begun = tokio::time::Instant::now();
    let (refused, _server) = refusal(Answer::Silence, &signer).await;
    assert_eq!(refused, Some(Refused::IssuerUnreachable));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_private_address_is_not_called_whatever_the_configuration_says() {
    let signer = Signer::new("one");
    let server = Server::of(&[signer.jwk()]).await;
    let loopback = server.url.as_str().to_owned();
    for url in
        [loopback.as_str(), "https://127.0.0.1:1/keys", "https://169.254.169.254/keys", "https://localhost:1/keys"]
    {
        let issuer = JwtIssuer { keys: KeySource::Url(url.parse().unwrap()), ..platform(&server.url) };
        let world = World::with(vec![issuer], Egress::Public);
        assert_eq!(world.refusal(&signer.sign(&claims())).await, Some(Refused::IssuerUnreachable), "{url}");
    }
    assert_eq!(server.requests(), 0);
}
