#!/usr/bin/env python3
"""sink.py ADDRESS PORT MAILBOX KNOWN…: an SMTP server that knows the KNOWN addresses and refuses all others with 550 5.1.1,
those that begin with "defer" with 451 4.7.1.
Every message it takes is appended to MAILBOX as one JSON line {from, to, data}."""
import json
import socketserver
import sys


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write((text + "\r\n").encode())

    def data(self):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line[1:] if line.startswith(b"..") else line)
        with open(self.server.mailbox, "a", encoding="utf-8") as f:
            f.write(json.dumps({"from": self.sender, "to": self.rcpt, "data": b"".join(lines).decode("utf-8", "replace")}) + "\n")
        self.say("250 2.0.0 Ok: taken")

    def rcpt_to(self, address):
        if address.lower() in self.server.known:
            self.rcpt.append(address)
            self.say("250 2.1.5 Ok")
        elif address.startswith("defer"):
            self.say("451 4.7.1 Greylisted, come back later")
        else:
            self.say(f"550 5.1.1 <{address}>: Recipient address rejected: User unknown in virtual mailbox table")

    def handle(self):
        self.sender, self.rcpt = "", []
        self.say("220 sink.example ESMTP")
        while line := self.rfile.readline():
            word = line.decode("ascii", "replace").strip()
            verb = word[:4].upper()
            argument = word[word.find("<") + 1:word.find(">")] if "<" in word else ""
            if verb in ("EHLO", "HELO"):
                self.say("250 sink.example")
            elif verb == "MAIL":
                self.sender, self.rcpt = argument, []
                self.say("250 2.1.0 Ok")
            elif verb == "RCPT":
                self.rcpt_to(argument)
            elif verb == "DATA":
                self.data() if self.rcpt else self.say("554 5.5.1 no valid recipients")
            elif verb == "QUIT":
                self.say("221 2.0.0 Bye")
                return
            else:
                self.say("250 2.0.0 Ok")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


with Server((sys.argv[1], int(sys.argv[2])), Session) as server:
    server.mailbox, server.known = sys.argv[3], {a.lower() for a in sys.argv[4:]}
    server.serve_forever()
