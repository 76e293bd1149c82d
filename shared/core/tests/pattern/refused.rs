//! A pattern of which a part could never hold, or would be ignored, is refused with the way to it; what `EventBridge`
//! takes is taken.

use acequia_core::routing::pattern::{Pattern, Reader};

#[test]
fn what_never_matches_or_has_an_ignored_part_is_refused_with_its_path() {
    for (pattern, path) in [
        (r"{}", ""),
        (r"[]", ""),
        (r#"{"data":{}}"#, "data"),
        (r#"{"data":[]}"#, "data"),
        (r#"{"data":"FR"}"#, "data"),
        (r#"{"data":{"a":{}}}"#, "data.a"),
        (r#"{"data":{"a":[]}}"#, "data.a"),
        (r#"{"data":{"a":[[1]]}}"#, "data.a[0]"),
        (r#"{"data":{"a":[1,{}]}}"#, "data.a[1]"),
        (r#"{"data":{"a":[{"numeric":[]}]}}"#, "data.a[0].numeric"),
        (r#"{"data":{"a":[{"numeric":[">",30,"<",1]}]}}"#, "data.a[0].numeric"),
        (r#"{"data":{"a":[{"numeric":[">=",1,"<=",1]}]}}"#, "data.a[0].numeric"),
        (r#"{"data":{"a":[{"prefix":"a","suffix":"c"}]}}"#, "data.a[0]"),
        (r#"{"data":{"a":[{"exists":true,"extra":"v"}]}}"#, "data.a[0]"),
        (r#"{"data":{"a":[{"exists":"yes"}]}}"#, "data.a[0].exists"),
        (r#"{"data":{"a":[{"shellstyle":"a*"}]}}"#, "data.a[0].shellstyle"),
        (r#"{"data":{"a":[{"wildcard":"a**"}]}}"#, "data.a[0].wildcard"),
        (r#"{"data":{"a":[{"cidr":"10.0.0.0/33"}]}}"#, "data.a[0].cidr"),
        (r#"{"data":{"a":[{"anything-but":[]}]}}"#, "data.a[0].anything-but"),
        (r#"{"data":{"a":[{"anything-but":[1,"a"]}]}}"#, "data.a[0].anything-but"),
        (r#"{"data":{"a":[1],"a":[2]}}"#, "data.a"),
        (r#"{"data":{"a.b":[1],"a":{"b":[2]}}}"#, "data.a.b"),
        (r#"{"$or":[{"type":["a"]}]}"#, "$or"),
        (r#"{"$or":[{"type":["a"]},{}]}"#, "$or[1]"),
    ] {
        let error = Pattern::compile(pattern, &mut Reader::default()).expect_err(pattern);
        assert_eq!(error.path, path, "{pattern}: {error}");
        assert!(!error.problem.is_empty());
    }
}

#[test]
fn each_operator_of_eventbridges_documentation_is_taken() {
    for matcher in [
        r#""x""#,
        "5",
        "true",
        "null",
        r#""""#,
        r#"{"exists":true}"#,
        r#"{"exists":false}"#,
        r#"{"prefix":"x"}"#,
        r#"{"suffix":"x"}"#,
        r#"{"prefix":{"equals-ignore-case":"x"}}"#,
        r#"{"suffix":{"equals-ignore-case":"x"}}"#,
        r#"{"equals-ignore-case":"x"}"#,
        r#"{"wildcard":"a*b"}"#,
        r#"{"numeric":["=",5]}"#,
        r#"{"numeric":[">",0,"<=",5]}"#,
        r#"{"cidr":"10.0.0.0/24"}"#,
        r#"{"cidr":"2001:db8::/32"}"#,
        r#"{"anything-but":"x"}"#,
        r#"{"anything-but":["x","y"]}"#,
        r#"{"anything-but":[1,2]}"#,
        r#"{"anything-but":{"prefix":"x"}}"#,
        r#"{"anything-but":{"suffix":"x"}}"#,
        r#"{"anything-but":{"wildcard":"x*"}}"#,
        r#"{"anything-but":{"wildcard":["x*","*y"]}}"#,
        r#"{"anything-but":{"equals-ignore-case":["x","y"]}}"#,
    ] {
        let pattern = format!(r#"{{"data":{{"a":[{matcher}]}}}}"#);
        Pattern::compile(&pattern, &mut Reader::default()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    }
    Pattern::compile(r#"{"$or":[{"type":["a"]},{"subject":["b"]}],"source":["/s"]}"#, &mut Reader::default()).unwrap();
}
