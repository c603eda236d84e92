#!/usr/bin/env python3
"""drive.py normal|attack COUNT: logs in at the Postfix under test and sends mail as a customer, or as the thief of a password."""
import smtplib
import sys
import time

SERVER = ("198.51.100.25", 587)


def send(source, account, messages):
    s = smtplib.SMTP(*SERVER, local_hostname="client.example", source_address=(source, 0), timeout=30)
    s.login(account, "secret-" + account.split("@")[0])
    for i, (sender, to) in enumerate(messages):
        s.sendmail(sender, [to], f"From: <{sender}>\r\nTo: <{to}>\r\nSubject: mail\r\nMessage-ID: <{time.time_ns()}.{i}@client.example>\r\n\r\nhello\r\n")
    s.quit()


what, count = sys.argv[1], int(sys.argv[2])
if what == "normal":
    for account, source in (("ann@isp.example", "198.18.0.5"), ("bob@isp.example", "198.18.0.6")):
        send(source, account, [(account, f"friend{i % 4}@known.example") for i in range(count)])
else:
    for k in range(4):
        send(f"203.0.113.{10 + k}", "ann@isp.example", [("ann@isp.example", f"user{k}x{i}@victim{i % 9}.example") for i in range(count // 4)])
