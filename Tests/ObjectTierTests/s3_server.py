"""A server that speaks S3 and checks signatures, for the tests: moto, with a user and a bucket.

    s3_server.py DIRECTORY [tls]

Prints one line, `port access-key secret`, and serves until its input ends. With `tls` it makes a
certificate for 127.0.0.1 first: DIRECTORY/ca.pem.
"""

import datetime
import ipaddress
import json
import os
import ssl
import sys
import threading
from pathlib import Path

# Before moto is imported: what it lets pass unsigned is the making of the user and of the bucket.
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = "4"
os.environ.update(AWS_ACCESS_KEY_ID="nobody", AWS_SECRET_ACCESS_KEY="nothing")

import boto3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "kvbm-test"
POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
}


class Handler(WSGIRequestHandler):
    """Keeps connections, as servers do, and says nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: object) -> None:
        """Tests print what went wrong themselves."""


def make_certificate(directory: Path) -> tuple[str, str]:
    """A certificate that signs itself, and its key; the paths of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kvbm test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "ca.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return str(paths[0]), str(paths[1])


def main() -> None:
    """Serves until the input ends."""
    directory = Path(sys.argv[1])
    context = None
    verify: str | bool = True
    if "tls" in sys.argv[2:]:
        certificate, key = make_certificate(directory)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        verify = certificate
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=Handler,
        ssl_context=context,
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    options = {"region_name": "us-east-1", "endpoint_url": url, "verify": verify}
    iam = boto3.client("iam", **options)
    iam.create_user(UserName="kvbm")
    made = iam.create_access_key(UserName="kvbm")["AccessKey"]
    iam.put_user_policy(UserName="kvbm", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    boto3.client("s3", **options).create_bucket(Bucket=BUCKET)
    print(server.server_port, made["AccessKeyId"], made["SecretAccessKey"], flush=True)
    sys.stdin.read()


main()
