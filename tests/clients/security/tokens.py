"""Tokens (JWT) signed by `openssl`, and the JWKS file of their key."""

import base64
import json
import subprocess
import sys
import time


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwks(key: str) -> str:
    modulus = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
    n = bytes.fromhex(modulus.stdout.strip().split("=", 1)[1])
    return json.dumps({"keys": [{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256", "n": encode(n), "e": "AQAB"}]})


def token(key: str, seconds: int = 600, **claims) -> str:
    header = {"alg": "RS256", "kid": "one", "typ": "JWT"}
    now = int(time.time())
    body = {"iss": "https://issuer.example", "aud": "kafka", "sub": "token", "iat": now, "exp": now + seconds, **claims}
    signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(body).encode())}"
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), check=True, capture_output=True)
    return f"{signed}.{encode(made.stdout)}"


if __name__ == "__main__":
    print(jwks(sys.argv[2]))
