"""What takes longer than a test of the command line may: its helpers are those of tests/cli."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
