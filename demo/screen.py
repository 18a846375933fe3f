"""What the demonstration prints: how far it is, what is typed, what came back, what that means.

Colours only on a terminal, and not where NO_COLOR or TERM=dumb asks for none. Scripts read the lines
`act N done` and `All of it took N s`.
"""

import os
import sys
import textwrap
import time

WIDTH = 108
LINES_SHOWN = 6
_COLOURS = {"bold": "1", "faint": "2", "bad": "31", "good": "32", "typed": "36", "notable": "33"}


class Screen:
    def __init__(self, stream=sys.stdout):
        stream.reconfigure(errors="replace")  # a terminal that knows no box drawing
        self._stream = stream
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self._start = time.monotonic()

    def seconds(self):
        return time.monotonic() - self._start

    def _say(self, text="", colour=None):
        if colour and self._coloured:
            text = f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"
        print(text, file=self._stream, flush=True)

    def title(self, text):
        self._say(text, "bold")
        self._say()

    def blank(self):
        self._say()

    def verbatim(self, text, colour=None):
        self._say(textwrap.indent(textwrap.dedent(text).strip("\n"), "  "), colour)

    def tell(self, text):
        """Plain words to the reader."""
        self._say(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent="  ", subsequent_indent="  "))

    def step(self, what):
        """Something is begun."""
        self._say(f"  [{self.seconds():4.1f} s] {what}", "faint")

    def act(self, number, of, title):
        self._say()
        self._say(f"ACT {number} of {of}: {title}", "bold")

    def typed(self, where, command):
        self._say(f"  {where}$ {command}", "typed")

    def came(self, lines, colour=None):
        """What a command printed: the first lines of it and the last."""
        lines = [line for line in lines if line.strip()]
        left_out = len(lines) - LINES_SHOWN
        for number, line in enumerate(lines):
            if left_out <= 0 or number < LINES_SHOWN - 1 or number == len(lines) - 1:
                for part in textwrap.wrap(line, WIDTH - 4):
                    self._say(f"  | {part}", colour)
            elif number == LINES_SHOWN - 1:
                self._say(f"  | … {left_out} more lines like these", "faint")

    def notable(self, line):
        self._say(f"  {line}", "notable")

    def act_done(self, number, outcome, seconds):
        self._say(f"act {number} done: {outcome} ({seconds:.1f} s)", "good")

    def wrong(self, text):
        self._say(text, "bad")
