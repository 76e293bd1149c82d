"""Makes tokens.json: tokens of another implementation, by which ours is judged.

python3 -m venv v && v/bin/pip install joserfc==1.8.0 cryptography==50.0.2 && v/bin/python make.py > tokens.json

The keys are made anew each time and thrown away. All tokens end five minutes after the time at which tests begin.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CLAIMS = {
    "iss": "https://issuer.example",
    "aud": "events",
    "sub": "shop",
    "exp": 1767225600 + 300,
    "tenant": "acme",
    "scope": "events:write",
}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value):
    return b64(json.dumps(value).encode())


def public(key, **more):
    return {**key.as_dict(private=False), **more}


def token(key, alg, kid):
    return jwt.encode({"alg": alg, "kid": kid, "typ": "JWT"}, CLAIMS, key, algorithms=[alg])


pkcs1 = RSAKey.generate_key(2048)
pss = RSAKey.generate_key(3072)
ec = ECKey.generate_key("P-256")
okp = OKPKey.generate_key("Ed25519")
keys = [
    public(pkcs1, kid="rsa"),
    public(pss, kid="pss", alg="PS256"),
    public(ec, kid="ec", alg="ES256", use="sig"),
    public(okp, kid="okp", alg="EdDSA", key_ops=["verify"]),
]
for key in keys:
    key.setdefault("use", "sig")
    if "key_ops" in key:
        del key["use"]

# What joserfc refuses to make is made by hand.
short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
numbers = short.public_key().public_numbers()
short_key = {"kty": "RSA", "kid": "short", "n": b64(numbers.n.to_bytes(128, "big")), "e": "AQAB"}
signed = part({"alg": "RS256", "kid": "short"}) + "." + part(CLAIMS)
short_token = signed + "." + b64(short.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

pem = pkcs1.raw_value.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
confused = []
for secret in (pem, pem.strip(), keys[0]["n"].encode(), base64.urlsafe_b64decode(keys[0]["n"] + "==")):
    signed = part({"alg": "HS256", "kid": "rsa", "typ": "JWT"}) + "." + part(CLAIMS)
    confused.append(signed + "." + b64(hmac.new(secret, signed.encode(), hashlib.sha256).digest()))

none = part({"alg": "none", "kid": "rsa"}) + "." + part(CLAIMS) + "."
print(
    json.dumps(
        {
            "made_with": "joserfc 1.8.0",
            "jwks": {"keys": keys},
            "good": {
                "RS256": token(pkcs1, "RS256", "rsa"),
                "PS256": token(pss, "PS256", "pss"),
                "ES256": token(ec, "ES256", "ec"),
                "EdDSA": token(okp, "EdDSA", "okp"),
            },
            # The algorithm is not that of the key.
            "other_algorithm": {
                "PS256 of an RS256 key": token(pkcs1, "PS256", "rsa"),
                "RS256 of a PS256 key": token(pss, "RS256", "pss"),
                "ES256 under the id of an RSA key": token(ec, "ES256", "rsa"),
                "EdDSA under the id of an EC key": token(okp, "EdDSA", "ec"),
            },
            "hs256_with_the_public_key": confused,
            "none": [none, none + "AA", part({"alg": "none"}) + "." + part(CLAIMS) + ".AA"],
            "short": {"key": short_key, "token": short_token},
        },
        indent=1,
    )
)
