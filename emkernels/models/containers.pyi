from typing import Literal, Self

class FrameOutput:
    def set_output(
        self,
        *,
        transform: Literal["default", "pandas", "polars"] | None = None,
    ) -> Self: ...
