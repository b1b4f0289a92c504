"""A handler for aiosmtpd: prints each message that arrives as one line of JSON.

Addresses that begin with "refused" are refused for good, those that begin with "busy" are put off once each.
"""

import email
import email.policy
import json
import sys


class Printing:
    def __init__(self):
        self.put_off = set()

    @classmethod
    def from_cli(cls, parser, *args):
        return cls()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 5.1.1 no mailbox of that name here"
        if address.startswith("busy") and address not in self.put_off:
            self.put_off.add(address)
            return "451 4.7.1 try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        json.dump(
            {
                "mail_from": envelope.mail_from,
                "rcpt_tos": envelope.rcpt_tos,
                "headers": [[name, str(value)] for name, value in message.items()],
                "body": message.get_content(),
            },
            sys.stdout,
        )
        print(flush=True)
        return "250 2.0.0 taken"
