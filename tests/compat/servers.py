"""The servers of the scenario tests, and how to find them from here."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "scenario"))

# pylint: disable=unused-import,wrong-import-position
from nodes import Folder, Node, check, check_equal  # noqa: E402,F401

HERE = os.path.dirname(os.path.abspath(__file__))
