SKOPS_TYPES: tuple[str, ...]
