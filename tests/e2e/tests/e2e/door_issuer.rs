//! A tenant's own issuer, whose keys stand in its file: its tokens are good at that tenant, in their time, and nowhere
//! else.

use e2e::issuer::now;
use e2e::world;
use e2e::world::event;
use serde_json::{Value as Json, json};

use crate::door::{LINES, post};

/// Claims of the issuer that tests/e2e/tenants/aspen.toml trusts, with some of them changed.
fn claims(changed: &Json) -> Json {
    let mut claims = json!({"iss": "https://id.aspen.example/", "aud": "https://events.example/v1/tenants/aspen",
        "sub": "forms", "exp": now() + 300, "scope": "events:write"});
    claims.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    claims
}

#[test]
fn a_token_of_a_tenants_own_issuer_is_good_at_that_tenant_in_its_time_and_nowhere_else() {
    let issuer = &world().own_issuer;
    let ask = |tenant: &str, id: &str, token: &str| {
        let body = event("ordered", id, &json!({})).replace("\"data\"", "\"partitionkey\":\"issuer\",\"data\"");
        post(tenant, token, &[LINES], body)
    };
    let good = ask("aspen", "issuer-good", &issuer.token(&claims(&json!({}))));
    assert_eq!((good.status, &good.body["accepted"]), (202, &json!(1)), "{good:?}");
    let late = ask("aspen", "issuer-late", &issuer.token(&claims(&json!({"exp": now() - 20}))));
    assert_eq!(late.status, 202, "clocks may differ by a minute: {late:?}");

    for (what, tenant, changed, status) in [
        ("expired 61 s ago", "aspen", json!({"exp": now() - 61}), 401),
        ("not good before two minutes", "aspen", json!({"nbf": now() + 120}), 401),
        ("without an end", "aspen", json!({"exp": null}), 401),
        ("for another audience", "aspen", json!({"aud": "https://events.example/v1/tenants/alder"}), 401),
        ("of another tenant", "aspen", json!({"tenant": "alder"}), 403),
        ("without the scope", "aspen", json!({"scope": "events:read"}), 403),
        ("at a tenant that does not trust the issuer", "alder", json!({}), 401),
        ("for alder, where alder does not trust the issuer", "alder", json!({"tenant": "alder"}), 401),
        ("in the name of the platform's issuer", "aspen", json!({"iss": platform(), "aud": "acequia"}), 401),
    ] {
        let answer = ask(tenant, "issuer-bad", &issuer.token(&claims(&changed)));
        assert_eq!(answer.status, status, "a token {what}: {answer:?}");
        let told = answer.body.to_string();
        assert!(!told.contains("expired") && !told.contains("audience"), "the cause is not told: {told}");
    }
}

/// The issuer that the platform trusts for all tenants.
fn platform() -> String {
    format!("{}/_receiver/issuer", world().environment.receiver)
}
