"""What the client programs share: their arguments, and a line of JSON for each step that they take."""

import json
import sys
import time
import traceback

RECORDS = 500
PARTITIONS = 3
# bootstrap, prefix, protocol; as far as the mode needs them: mechanism, user, password, ca, certificate, key
arguments = json.loads(sys.argv[1])
topic = arguments["prefix"]


def told(name, began, error=None):
    print(json.dumps({"step": name, "ok": error is None, "ms": int((time.monotonic() - began) * 1000),
                      "error": repr(error)[:300] if error else ""}), flush=True)
    if error:
        traceback.print_exception(error)


def step(name, action):
    began = time.monotonic()
    try:
        action()
        told(name, began)
    except Exception as error:  # the next step is tried all the same
        told(name, began, error)


async def async_step(name, action):
    began = time.monotonic()
    try:
        await action()
        told(name, began)
    except Exception as error:
        told(name, began, error)


def all_read(seen, count):
    assert len(seen) == count, f"read {len(seen)} of {count} records"
