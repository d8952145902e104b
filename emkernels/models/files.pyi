from typing import Any

from emkernels._typing import Path

# whichever class the file is of; the `load` of a class says its own
def load(path: Path) -> Any: ...
