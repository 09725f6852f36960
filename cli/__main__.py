"""``python -m cli``: the same as ``jeonggi``."""

from cli.main import main

main()
