"""Standard input with each ${VARIABLE} of the environment filled in; one that is not there is an error."""

import os
import string
import sys

try:
    sys.stdout.write(string.Template(sys.stdin.read()).substitute(os.environ))
except (KeyError, ValueError) as error:
    sys.exit(f"fill.py: cannot fill in {error}")
