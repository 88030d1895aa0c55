#!/usr/bin/env python3
"""A program that shows all it has; the canary test has it run as a command."""

# ruff: noqa: T201 - it is a program that prints

import json
import os
import sys
import time

values = json.load(sys.stdin)
password = values["password"]
print("environment", dict(os.environ))
print("arguments", sys.argv)
with open(os.environ["ARABICA_VALUES"]) as file:
    print("file", file.read())
sys.stdout.write(password[:7])
sys.stdout.flush()
time.sleep(2)
print(password[7:])
print("x" * 8190 + password + "x" * 8190)
print("no access with", password, file=sys.stderr)
sys.exit(3)
