#!/usr/bin/env python3
"""script.py ABUSEWATCH: an Exim mainlog in which a customer's script, known by its user's name only, writes to four clients a day for
three weeks and to hundreds of strangers on the last day: the user is the principal of the case, as a script, and the sentence names the folder
that Exim's cwd= lines tell. The store is found again by the user's name, and the messages carry the folder."""
import datetime
import json
import os
import subprocess
import sys
import tempfile

aw = sys.argv[1]
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def message(when, n, recipient, known):
    queue_id = "1vA%s%s%s-%06d-%02d" % (DIGITS[n // 3844 % 62], DIGITS[n // 62 % 62], DIGITS[n % 62], n, n % 97)
    stamp = when.strftime("%Y-%m-%d %H:%M:%S ") + queue_id
    yield when.strftime("%Y-%m-%d %H:%M:%S ") + f"cwd=/home/web12/public_html/{'wp-content' if recipient[0] == 'u' else 'shop'} 3 args: /usr/sbin/sendmail -t -i"
    yield f"{stamp} <= web12@host.example U=web12 P=local S=900 id={queue_id}@host.example"
    if known:
        yield f'{stamp} => {recipient} R=dnslookup T=remote_smtp H=mx.far.example [203.0.113.25] C="250 ok"'
    else:
        yield f"{stamp} ** {recipient} R=dnslookup T=remote_smtp H=mx.far.example [203.0.113.25]: SMTP error from remote mail server after RCPT TO:<{recipient}>: 550 5.1.1 User unknown"
    yield f"{stamp} Completed"


def log():
    begin, n = datetime.datetime(2026, 11, 1, 8), 0
    for day in range(24):
        for k in range(20):
            when = begin + datetime.timedelta(days=day, minutes=7 * k)
            for i in range(30 if day == 23 else 1):
                n += 1
                stranger = f"u{n * 7919 % 100003}@far{n % 200}.example"
                yield from message(when + datetime.timedelta(seconds=i), n, stranger if day == 23 else f"client{k % 4}@shop.example", day < 23 or n % 3)


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "mainlog")
    conf = os.path.join(folder, "abusewatch.conf")
    with open(path, "w") as f:
        f.write("\n".join(log()) + "\n")
    with open(conf, "w") as f:
        f.write(f'store = "s.db"\nnetworks = {{ "198.51.100.0/24" }}\nlocal-domains = {{ "host.example" }}\n'
                f'source "web" {{ type = "file" path = "{path}" mta = "exim" timezone = "UTC" }}\n')
    said = subprocess.run([aw, "import", "-c", conf, path], capture_output=True, text=True)
    cases = [json.loads(l) for l in subprocess.run([aw, "cases", "-c", conf, "--format", "ndjson"], capture_output=True).stdout.splitlines()]
    good = len(cases) == 1 and cases[0]["principal"] == {"kind": "script", "id": "web12"} and cases[0]["sentence"].startswith("user web12 ")
    sentence = cases[0]["sentence"] if cases else ""
    print('ok exim script in its folder' if sentence.endswith(' Sent from the folder "/home/web12/public_html/wp-content".') else f"not ok exim script in its folder - {sentence}")
    print("ok exim script is its user's" if good else f"not ok exim script is its user's - {said.stderr.strip()[:200]} {str(cases)[:300]}")
