"""An S3 server on loopback in a process of its own: moto's, with signatures checked. A script that ``storage`` starts.

It says on standard output where it is and whose key it takes, as one JSON line, and then obeys lines of standard input: ``down`` closes its
port, ``up`` opens it again with all that was stored. It ends with its input.
"""

import json
import logging
import sys
import threading

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

_HOST = "127.0.0.1"
_REGION = "us-east-1"
_POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


class Served:
    """The server while its port is open."""

    def __init__(self, app: DomainDispatcherApplication, port: int = 0) -> None:
        self.server: BaseWSGIServer = make_server(_HOST, port, app, threaded=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """Close the port."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _user(url: str) -> dict[str, str]:
    """Make a user who may do everything, and from now on ask everybody for a signature."""
    iam = boto3.client("iam", endpoint_url=url, region_name=_REGION, aws_access_key_id="first", aws_secret_access_key="first")
    iam.create_user(UserName="tester")
    iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(_POLICY))
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    from moto import settings  # noqa: PLC0415 - what the server reads at each request

    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}


def main() -> None:
    """Serve until the end of standard input."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = DomainDispatcherApplication(create_backend_app)
    served = Served(app)
    port = served.server.server_port
    sys.stdout.write(json.dumps({"port": port, **_user(f"http://{_HOST}:{port}")}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if line.strip() == "down":
            served.close()
        else:
            served = Served(app, port)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
