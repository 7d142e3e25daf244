"""Tokens (JWT) signed by `openssl`, the JWKS of their key, and who gives it away over HTTPS."""

import base64
import http.server
import json
import ssl
import subprocess
import sys
import time


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwks(key: str, kid: str = "one") -> str:
    modulus = subprocess.run(["openssl", "rsa", "-in", key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
    n = bytes.fromhex(modulus.stdout.strip().split("=", 1)[1])
    return json.dumps({"keys": [{"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": encode(n), "e": "AQAB"}]})


def token(key: str, seconds: int = 600, kid: str = "one", **claims) -> str:
    header = {"alg": "RS256", "kid": kid, "typ": "JWT"}
    now = int(time.time())
    body = {"iss": "https://issuer.example", "aud": "kafka", "sub": "token", "iat": now, "exp": now + seconds, **claims}
    signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(body).encode())}"
    made = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=signed.encode(), check=True, capture_output=True)
    return f"{signed}.{encode(made.stdout)}"


class Provider(http.server.BaseHTTPRequestHandler):
    """Gives the file of keys, as it is now, to whoever asks for it."""

    keys = ""

    def do_GET(self):
        with open(self.keys, "rb") as file:
            body = file.read()
        self.send_response(200 if self.path == "/jwks.json" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def serve(keys: str, certificate: str, key: str) -> None:
    """Prints where, and goes on until it is killed."""
    Provider.keys = keys
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(f"https://127.0.0.1:{server.server_port}/jwks.json", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "jwks":
        print(jwks(sys.argv[2]))
    else:
        serve(*sys.argv[2:])
