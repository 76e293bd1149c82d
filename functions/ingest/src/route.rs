//! What a request is for.
//!
//! Paths are taken as they are written: nothing is normalised, and a path of another number of parts is none of ours.
//! The API hands over parts with percent signs read, so that one may hold a slash that the client wrote as `%2F`.

use acequia_core::id::{ReplayId, TenantId};

use crate::problem::Problem;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// Events of a tenant come in.
    Events(TenantId),
    /// What became of an event.
    Event(TenantId, String),
    /// Replays of a tenant, and a new one.
    Replays(TenantId),
    /// One replay.
    Replay(TenantId, ReplayId),
    /// That one stops.
    StopReplay(TenantId, ReplayId),
    /// That one goes on.
    ResumeReplay(TenantId, ReplayId),
    /// Whether the door is open.
    Health,
    /// What the API is like.
    OpenApi,
}

/// Finds it.
pub(crate) fn route(method: &str, path: &str) -> Result<Route, Problem> {
    let rest = path.strip_prefix("/v1/").ok_or_else(Problem::not_found)?;
    let (route, allowed) = match rest {
        "health" => (Route::Health, ["GET", "HEAD"].as_slice()),
        "openapi.json" => (Route::OpenApi, ["GET", "HEAD"].as_slice()),
        _ => {
            let (tenant, rest) =
                rest.strip_prefix("tenants/").and_then(|rest| rest.split_once('/')).ok_or_else(Problem::not_found)?;
            let tenant: TenantId = tenant.parse().map_err(|_| Problem::not_found())?;
            of_tenant(tenant, rest)?
        }
    };
    if allowed.contains(&method) { Ok(route) } else { Err(Problem::method(&allowed.join(", "))) }
}

/// What is asked for of a tenant's.
fn of_tenant(tenant: TenantId, rest: &str) -> Result<(Route, &'static [&'static str]), Problem> {
    if let Some(event) = rest.strip_prefix("events/").filter(|event| !event.is_empty()) {
        return Ok((Route::Event(tenant, event.to_owned()), &["GET", "HEAD"]));
    }
    let replay = |id: &str| id.parse::<ReplayId>().map_err(|_| Problem::not_found());
    match rest.split('/').collect::<Vec<_>>()[..] {
        ["events"] => Ok((Route::Events(tenant), &["POST"])),
        ["replays"] => Ok((Route::Replays(tenant), &["GET", "HEAD", "POST"])),
        ["replays", id] => Ok((Route::Replay(tenant, replay(id)?), &["GET", "HEAD"])),
        ["replays", id, "stop"] => Ok((Route::StopReplay(tenant, replay(id)?), &["POST"])),
        ["replays", id, "resume"] => Ok((Route::ResumeReplay(tenant, replay(id)?), &["POST"])),
        _ => Err(Problem::not_found()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_methods_and_others_are_told_them() {
        let acme: TenantId = "acme".parse().unwrap();
        assert_eq!(route("POST", "/v1/tenants/acme/events"), Ok(Route::Events(acme.clone())));
        assert_eq!(route("GET", "/v1/tenants/acme/events//a|1"), Ok(Route::Event(acme, "/a|1".to_owned())));
        let (acme, id): (TenantId, ReplayId) = ("acme".parse().unwrap(), "r1".parse().unwrap());
        for method in ["GET", "POST"] {
            assert_eq!(route(method, "/v1/tenants/acme/replays"), Ok(Route::Replays(acme.clone())));
        }
        assert_eq!(route("GET", "/v1/tenants/acme/replays/r1"), Ok(Route::Replay(acme.clone(), id.clone())));
        assert_eq!(route("POST", "/v1/tenants/acme/replays/r1/stop"), Ok(Route::StopReplay(acme.clone(), id.clone())));
        assert_eq!(route("POST", "/v1/tenants/acme/replays/r1/resume"), Ok(Route::ResumeReplay(acme, id)));
        assert_eq!(route("GET", "/v1/health"), Ok(Route::Health));
        assert_eq!(route("HEAD", "/v1/openapi.json"), Ok(Route::OpenApi));
        for (method, path, allow) in [
            ("GET", "/v1/tenants/acme/events", "POST"),
            ("post", "/v1/tenants/acme/events", "POST"),
            ("DELETE", "/v1/tenants/acme/replays", "GET, HEAD, POST"),
            ("GET", "/v1/tenants/acme/replays/r1/stop", "POST"),
            ("TRACE", "/v1/health", "GET, HEAD"),
            ("QUERY", "/v1/tenants/acme/events/x", "GET, HEAD"),
        ] {
            let answer = route(method, path).unwrap_err().response();
            assert_eq!((answer.status_code, answer.headers["allow"].as_str()), (405, allow), "{method} {path}");
        }
    }

    #[test]
    fn what_is_no_path_of_ours_is_not_found() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "//v1/health",
            "/v1/health/",
            "/v2/health",
            "/v1/tenants/acme",
            "/v1/tenants/acme/",
            "/v1/tenants//events",
            "/v1/tenants/acme/events/",
            "/v1/tenants/acme/../bona/events",
            "/v1/tenants/../events",
            "/v1/tenants/%2e%2e/events",
            "/v1/tenants/ac%00me/events",
            "/v1/tenants/ac\0me/events",
            "/v1/tenants/acme%2fevents",
            "/v1/tenants/Acme/events",
            "/v1/tenants/acme /events",
            "/v1/tenants/acme/replays/",
            "/v1/tenants/acme/replays/R1",
            "/v1/tenants/acme/replays/r1/begin",
            "/v1/tenants/acme/replays/r1/stop/",
        ] {
            assert_eq!(route("POST", path).unwrap_err().kind(), "not-found", "{path:?}");
        }
    }
}
