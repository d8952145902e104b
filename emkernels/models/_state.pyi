from typing import Self

from emkernels._typing import Path

class Stateful:
    def save(self, path: Path) -> None: ...
    @classmethod
    def load(cls, path: Path) -> Self: ...
