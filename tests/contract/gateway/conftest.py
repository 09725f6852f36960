"""One test needs the gateway's schema file, which is not part of the repository; without it there is no such test.

``JEONGGI_SWAGGER_FILE`` names it (docs/reference/gateway-calls.md).
"""

from __future__ import annotations

import os

collect_ignore = [] if os.environ.get("JEONGGI_SWAGGER_FILE") else ["test_the_schema_file.py"]
