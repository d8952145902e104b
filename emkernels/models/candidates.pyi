from emkernels._results import Result
from emkernels._typing import Row

class Selection(Result):
    @property
    def chosen(self) -> Row | None: ...
    @classmethod
    def remarks(cls, row: Row) -> str: ...
