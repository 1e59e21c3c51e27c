from __future__ import annotations

import pytest

from tests.docs.known_flags import KnownFlags
from tests.tools.binaries import Binaries


@pytest.fixture(scope="session")
def known() -> KnownFlags:
    binaries = Binaries()
    flags = KnownFlags(binaries)
    binaries.close()
    return flags
