//! Others judge the signatures: the examples of the RFCs, and tokens that joserfc made (vector/make.py).

use acequia_access::verify_signature;
use acequia_core::access::{Algorithm, PublicKey, Refused, Token};
use serde_json::{Value as Json, json};

use crate::world::{World, inline};

fn vectors() -> Json {
    serde_json::from_str(include_str!("vector/tokens.json")).unwrap()
}

fn texts(value: &Json) -> Vec<(String, String)> {
    match value {
        Json::Array(list) => list.iter().map(|text| (String::new(), text.as_str().unwrap().to_owned())).collect(),
        Json::Object(map) => map.iter().map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect(),
        other => panic!("{other}"),
    }
}

fn world(vectors: &Json) -> World {
    World::trusting(vec![inline(vectors["jwks"]["keys"].as_array().unwrap())])
}

#[test]
fn the_examples_of_rfc_7515_and_rfc_8037_verify_and_no_other_signature_does() {
    // RFC 7515, appendix A.2.
    let rsa = json!({"kty": "RSA", "e": "AQAB", "n":
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"});
    let claims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let by_rsa = format!(
        "eyJhbGciOiJSUzI1NiJ9.{claims}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    // A.3.
    let ec = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let by_ec = format!(
        "eyJhbGciOiJFUzI1NiJ9.{claims}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    // RFC 8037, appendix A.4; what it signs is a sentence, and no claims.
    let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let by_okp = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let keys = [rsa, ec, okp].map(|jwk| PublicKey::read(&jwk).unwrap());
    let signed = [by_rsa.as_str(), by_ec.as_str(), by_okp].map(|text| text.rsplit_once('.').unwrap());
    for (one, key) in keys.iter().enumerate() {
        for (other, (text, signature)) in signed.iter().enumerate() {
            assert_eq!(verify_signature(key, text, signature), one == other, "key {one}, signature {other}");
            assert!(!verify_signature(key, &format!("{text} "), signature));
            assert!(!verify_signature(key, text, signature.get(1..).unwrap()) && !verify_signature(key, text, ""));
        }
    }
    assert_eq!(Token::read(&by_rsa).unwrap().algorithm, Algorithm::Rs256);
    assert_eq!(Token::read(&by_ec).unwrap().claims.issuer(), Ok("joe"));
}

#[tokio::test]
async fn tokens_that_another_implementation_made_are_taken_in_all_four_algorithms() {
    let vectors = vectors();
    let world = world(&vectors);
    let good = texts(&vectors["good"]);
    assert_eq!(good.len(), Algorithm::ALL.len());
    for (name, token) in good {
        assert_eq!(world.refusal(&token).await, None, "{name}");
    }
}

#[tokio::test]
async fn what_another_implementation_forged_is_refused() {
    let vectors = vectors();
    let world = world(&vectors);
    let mut refused = 0;
    for forged in ["other_algorithm", "hs256_with_the_public_key", "none"] {
        for (name, token) in texts(&vectors[forged]) {
            assert_eq!(world.refusal(&token).await, Some(Refused::Algorithm), "{forged} {name}");
            refused += 1;
        }
    }
    assert_eq!(refused, 4 + 4 + 3);
}

#[tokio::test]
async fn a_key_of_1024_bits_signs_nothing_that_is_believed() {
    let vectors = vectors();
    let short = &vectors["short"];
    let world = World::trusting(vec![inline(std::slice::from_ref(&short["key"]))]);
    assert_eq!(world.refusal(short["token"].as_str().unwrap()).await, Some(Refused::UnknownSigningKey));
    assert_eq!(PublicKey::read(&short["key"]).unwrap_err().member, "n");
}
