"""talks: conversations by name, each with what must come out of it (fields of the session, a part of them is enough)."""
import base64


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def C(text):
    return ("C", text if isinstance(text, bytes) else text.encode())


def S(text):
    return ("S", text if isinstance(text, bytes) else text.encode())


EHLO = "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"
LETTER = ("From: Anna <anna@a.example>\r\nSubject: hello\r\n there\r\nMessage-ID: <1@a.example>\r\n\r\n" + "Some words in a line of text, and a few more.\r\n" * 20)
BLOB = ("From: x@a.example\r\nSubject: =?utf-8?B?R3LDvMOfZQ==?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"b=1\"\r\n\r\n"
        "--b=1\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n-- \r\nname=\"no.exe\"\r\n"
        "--b=1\r\nContent-Type: application/octet-stream; name=\"invoice.pdf.exe\"\r\nContent-Disposition: attachment; filename=\"invoice.pdf.exe\"\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" + "TVqQAAMAAAAEAAAA//8AALgAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n" * 30 +
        "--b=1\r\nContent-Disposition: attachment;\r\n filename*=utf-8''r%C3%A9sum%C3%A9.scr\r\n\r\nx\r\n--b=1--\r\n")

SECRETS = ["Corr3ct-Horse-Battery", "Tr0ub4dor&3-staple", "hunter2-hunter2-hunter2"]

def tls_hello():
    """A client's hello as browsers and OpenSSL 3.5 send it, with a key share for ML-KEM: longer than a segment. And its fingerprint."""
    vector = lambda data, n: len(data).to_bytes(n, "big") + data
    words = lambda *v: b"".join(x.to_bytes(2, "big") for x in v)
    name, ciphers, groups = b"mail.peer.example", (0x2a2a, 0x1301, 0x1302, 0xc02f), (0x4a4a, 0x11ec, 0x001d)
    extensions = [(0x1a1a, b""), (51, vector(words(0x11ec) + vector(bytes(i * 37 % 251 for i in range(1216)), 2), 2)), (0, vector(b"\0" + vector(name, 2), 2)), (10, vector(words(*groups), 2)),
                  (21, bytes(900))]
    body = words(0x0303) + bytes(range(32)) + vector(bytes(32), 1) + vector(words(*ciphers), 2) + vector(b"\0", 1) + vector(b"".join(words(t) + vector(d, 2) for t, d in extensions), 2)
    record = b"\x16\x03\x01" + vector(b"\x01" + vector(body, 3), 2)

    def add(h, *values):
        for v in values:
            for byte in (v & 255, v >> 8):
                h = (h ^ byte) * 0x100000001b3 % 2 ** 64
        return h

    is_grease = lambda v: v & 0x0f0f == 0x0a0a and v >> 8 == v & 255
    real = lambda values: [v for v in values if not is_grease(v)]
    h = add(0xcbf29ce484222325, 0x0303, *real(ciphers), 0xffff)
    for t, _ in extensions:
        h = add(h, *real([t]), *(real(groups) + [0xffff] if t == 10 else []))
    return record, "%016x" % h


HELLO, PRINT = tls_hello()

TALKS = {
    "one message": (
        [S("220 mx.example ESMTP\r\n"), C("EHLO client.example\r\n"), S(EHLO), C("MAIL FROM:<a@a.example> SIZE=100\r\n"), S("250 2.1.0 Ok\r\n"),
         C("RCPT TO:<b@b.example>\r\n"), S("250 2.1.5 Ok\r\n"), C("RCPT TO:<c@b.example>\r\n"), S("550-5.1.1 no such\r\n550 5.1.1 user\r\n"),
         C("DATA\r\n"), S("354 go\r\n"), C(LETTER), C(".\r\n"), S("250 2.0.0 queued as 1\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"banner": "mx.example ESMTP", "helo": "client.example", "esmtp": True, "quit": True, "early_talker": False, "commands": 6,
         "replies": {"2xx": 6, "3xx": 1, "4xx": 0, "5xx": 1}, "refusal": "5.1.1 no such 5.1.1 user",
         "messages": [{"sender": "a@a.example", "sender_args": "SIZE=100", "accepted": True, "code": 250, "reply": "2.0.0 queued as 1",
                       "recipients": [{"recipient": "b@b.example", "code": 250, "dsn": "2.1.5", "reply": "2.1.5 Ok"},
                                      {"recipient": "c@b.example", "code": 550, "dsn": "5.1.1", "reply": "5.1.1 no such 5.1.1 user"}],
                       "data_bytes": len(LETTER), "message_id": "<1@a.example>", "subject": "hello there", "from": "Anna <anna@a.example>",
                       "attachments": []}]}),
    "pipelined": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S(EHLO),
         C("MAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<c@b.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n"),
         S("250 ok\r\n250 ok\r\n450 4.2.1 later\r\n550 no\r\n354 go\r\n"), C("Subject: x\r\n\r\n..dot\r\n.\r\nRSET\r\nMAIL FROM:<second@a.example>\r\n"),
         S("250 done\r\n250 reset\r\n250 ok\r\n"), C("RCPT TO:<e@b.example>\r\nDATA\r\nQUIT\r\n"), S("550 no\r\n554 no valid recipients\r\n221 bye\r\n")],
        {"pipelined": True, "commands": 11, "quit": True,
         "messages": [{"sender": "", "accepted": True, "code": 250, "data_bytes": 20, "subject": "x",
                       "recipients": [{"recipient": "b@b.example", "code": 250, "reply": "ok"}, {"recipient": "c@b.example", "code": 450, "dsn": "4.2.1", "reply": "4.2.1 later"},
                                      {"recipient": "d@b.example", "code": 550, "reply": "no"}]},
                      {"sender": "second@a.example", "accepted": False, "code": 554, "recipients": [{"recipient": "e@b.example", "code": 550, "reply": "no"}]}]}),
    "chunks": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S(EHLO), C("MAIL FROM:<a@a.example>\r\n"), S("250 ok\r\n"), C("RCPT TO:<b@b.example>\r\n"), S("250 ok\r\n"),
         C("BDAT 12\r\nSubject: x\r\n"), S("250 12 octets\r\n"),
         C("BDAT 14 LAST\r\n\r\n.\r\nQUIT\r\nab\nMAIL FROM:<b@a.example>\r\nRCPT TO:<c@b.example>\r\nBDAT 3 LAST\r\nxyz"), S("250 got 26\r\n250 ok\r\n250 ok\r\n250 got 3\r\n"),
         C("QUIT\r\n"), S("221 bye\r\n")],
        {"bdat": True, "quit": True, "verbs": {"EHLO": 1, "MAIL": 2, "RCPT": 2, "BDAT": 3, "QUIT": 1},
         "messages": [{"sender": "a@a.example", "data_bytes": 26, "accepted": True, "reply": "got 26"}, {"sender": "b@a.example", "data_bytes": 3, "accepted": True, "reply": "got 3"}]}),
    "attachments": (
        [S("220 mx.example\r\n"), C("HELO p.example\r\n"), S("250 mx.example\r\n"), C("mail from:<a@a.example>\r\n"), S("250 ok\r\n"), C("rcpt to:<b@b.example>\r\n"), S("250 ok\r\n"),
         C("DATA\r\n"), S("354 go\r\n"), C(BLOB + ".\r\n"), S("554 5.7.1 spam\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"esmtp": False, "messages": [{"accepted": False, "code": 554, "subject": "Grüße", "attachments": ["invoice.pdf.exe", "résumé.scr"], "data_bytes": len(BLOB)}]}),
    "early talker": (
        [C("HELO p.example\r\n"), S("220 mx.example\r\n250 mx.example\r\n"), C("MAIL FROM: a@a.example\r\n"), S("501 syntax\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"early_talker": True, "bad_syntax": True, "messages": [{"sender": "a@a.example", "mail_code": 501, "accepted": False}]}),
    "early before the end of the banner": (
        [S("220-mx.example wait\r\n"), C("HELO p.example\r\n"), S("220 mx.example\r\n250 mx.example\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"early_talker": True, "banner": "mx.example wait"}),
    "refused at once": ([S("554 5.7.1 go away\r\n"), C("QUIT\r\n"), S("221 bye\r\n")], {"refusal": "5.7.1 go away", "banner": "5.7.1 go away", "messages": []}),
    "bare line feeds": (
        [S("220 mx.example\n"), C("HELO p.example\n"), S("250 mx.example\n"), C("MAIL FROM:<a@a.example>\n"), S("250 ok\n"), C("RCPT TO:<b@b.example>\n"), S("250 ok\n"),
         C("DATA\n"), S("354 go\n"), C("Subject: y\n\ntext\n.\n"), S("250 done\n"), C("QUIT\n"), S("221 bye\n")],
        {"bare_lf": True, "quit": True, "messages": [{"sender": "a@a.example", "accepted": True, "subject": "y"}]}),
    "source route and quotes": (
        [S("220 mx.example\r\n"), C("HELO p.example\r\n"), S("250 mx.example\r\n"), C("MAIL FROM:<\"a > b\"@a.example>\r\n"), S("250 ok\r\n"),
         C("RCPT TO:<@x.example,@y.example:user%z.example@b.example>\r\n"), S("550 5.7.1 no relay\r\n"), C("RSET\r\n"), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"messages": [{"sender": "\"a > b\"@a.example", "recipients": [{"recipient": "@x.example,@y.example:user%z.example@b.example", "code": 550, "dsn": "5.7.1", "reply": "5.7.1 no relay"}]}]}),
    "a refused EHLO and a bad BDAT change nothing": (
        [S("220 mx.example\r\n"), C("EHLO good.example\r\n"), S(EHLO), C("MAIL FROM:<a@a.example>\r\n"), S("250 ok\r\n"), C("EHLO\r\n"), S("501 hostname?\r\n"),
         C("BDAT 5 X\r\n"), S("501 BDAT count [LAST]\r\n"), C("RCPT TO:<b@b.example>\r\n"), S("250 ok\r\n"), C("DATA\r\n"), S("354 go\r\n"), C("Subject: z\r\n\r\nx\r\n.\r\n"),
         S("250 done\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"helo": "good.example", "messages": [{"sender": "a@a.example", "accepted": True, "recipients": [{"recipient": "b@b.example", "code": 250}], "subject": "z"}]}),
    "everything at once": (
        [C("EHLO all.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nSubject: w\r\n\r\nMAIL FROM:<no@a.example>\r\n.\r\nMAIL FROM:<c@a.example>\r\nRCPT TO:<d@b.example>\r\nDATA\r\n"
           "Subject: v\r\n\r\nRCPT TO:<no@b.example>\r\n.\r\nQUIT\r\n"),
         S("220 mx.example\r\n" + EHLO + "250 ok 1\r\n250 ok 2\r\n354 go\r\n250 done 1\r\n250 ok 3\r\n"), S("550 ok 4\r\n354 go\r\n250 done 2\r\n221 bye\r\n")],
        {"early_talker": True, "quit": True, "commands": 8, "messages": [
            {"sender": "a@a.example", "accepted": True, "reply": "done 1", "subject": "w", "recipients": [{"recipient": "b@b.example", "code": 250, "reply": "ok 2"}]},
            {"sender": "c@a.example", "accepted": True, "reply": "done 2", "subject": "v", "recipients": [{"recipient": "d@b.example", "code": 550, "reply": "ok 4"}]}]}),
    "auth plain": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 AUTH PLAIN LOGIN\r\n"), C(b"AUTH PLAIN " + b64("\0anna\0" + SECRETS[0]) + b"\r\n"), S("235 ok\r\n"),
         C("MAIL FROM:<a@a.example>\r\n"), S("250 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"auth_method": "PLAIN", "account": "anna", "auth_ok": True}),
    "auth plain, asked": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 AUTH PLAIN LOGIN\r\n"), C("AUTH PLAIN\r\n"), S("334 \r\n"), C(b64("\0anna\0" + SECRETS[0]) + b"\r\n"),
         S("535 5.7.8 no\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"auth_method": "PLAIN", "account": "anna", "auth_failed": True, "commands": 3}),
    "auth login": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 AUTH PLAIN LOGIN\r\n"), C("AUTH LOGIN\r\n"), S("334 VXNlcm5hbWU6\r\n"), C(b64("bert@a.example") + b"\r\n"),
         S("334 UGFzc3dvcmQ6\r\n"), C(b64(SECRETS[1]) + b"\r\n"), S("235 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"auth_method": "LOGIN", "account": "bert@a.example", "auth_ok": True, "commands": 3}),
    "auth login that the server does not know": (
        [S("220 mx.example\r\n"), C("HELO p.example\r\n"), S("250 mx.example\r\n"), C("AUTH LOGIN\r\n"), S("502 unknown\r\n"), C(b64("bert") + b"\r\n"), S(b"500 unknown: " + b64("bert") + b"\r\n"),
         C(b64(SECRETS[2]) + b"\r\n"), S(b"500 unknown: " + b64(SECRETS[2]) + b"\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"auth_failed": True, "commands": 5, "quit": True}),
    "auth cram-md5": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 AUTH CRAM-MD5\r\n"), C("AUTH CRAM-MD5\r\n"), S(b"334 " + b64("<1.2@mx.example>") + b"\r\n"),
         C(b64("carl 0123456789abcdef0123456789abcdef") + b"\r\n"), S("235 ok\r\n"), C("QUIT\r\n"), S("221 bye\r\n")],
        {"auth_method": "CRAM-MD5", "account": "carl", "auth_ok": True}),
    "starttls, a client's hello of two segments": (
        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n"), C(HELLO),
         S(b"\x16\x03\x03" + b"\x81" * 900), C(b"\x17\x03\x03" + b"\x82" * 300), S(b"\x17\x03\x03" + b"\x83" * 100)],
        {"starttls": True, "tls": True, "tls_message": True, "sni": "mail.peer.example", "tls_fingerprint": PRINT, "messages": []}),
    "tls from the start": (
        [C(HELLO), S(b"\x16\x03\x03" + b"\x81" * 900), C(b"\x17\x03\x03" + b"\x82" * 300)],
        {"tls": True, "sni": "mail.peer.example", "tls_fingerprint": PRINT, "messages": []}),
    "starttls": (        [S("220 mx.example\r\n"), C("EHLO p.example\r\n"), S("250-mx.example\r\n250 STARTTLS\r\n"), C("STARTTLS\r\n"), S("220 go\r\n"), C(b"\x16\x03\x01" + b"\x80" * 200),
         S(b"\x16\x03\x03" + b"\x81" * 900), C(b"\x17\x03\x03" + b"\x82" * 3000), S(b"\x17\x03\x03" + b"\x83" * 100)],
        {"starttls": True, "starttls_offered": True, "tls": True, "tls_message": True, "messages": []}),
}
