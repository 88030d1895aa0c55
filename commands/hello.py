#!/usr/bin/env python3
"""Greet somebody: the example of a program as a process."""

import json
import os
import sys

values = json.load(sys.stdin)
print(f"Greeting {values['name']}")
with open(os.environ["ARABICA_OUTPUTS"], "w") as outputs:
    json.dump({"greeting": f"hello {values['name']}"}, outputs)
