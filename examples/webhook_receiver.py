"""Receives Album's webhooks: checks the signature, tells duplicates apart, prints what happened.

pip install standardwebhooks
WEBHOOK_SECRET=whsec_... python webhook_receiver.py 9000
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(os.environ["WEBHOOK_SECRET"])
seen: set[str] = set()  # in real life a table, since this is forgotten when the process ends


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            event = webhook.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_response(401)
            self.end_headers()
            return
        if event["id"] not in seen:
            seen.add(event["id"])
            print(event["type"], event["subject"], flush=True)
        self.send_response(204)
        self.end_headers()


HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
