"""Columns of Arrow, as Parquet files have them, as floats."""

import json

from emkernels._extras import optional


class NotANumber(Exception):
    """A column with something else than numbers in it.

    Attributes
    ----------
    reason : str
    index : int or None
        Position of the first such cell in its array.
    likely : bool
        Whether most of the other cells are numbers, or would be as `hint` says.
    hint : str
        How the cell may be read as a number.
    text : str
        The cell.
    """

    def __init__(self, reason, index=None, likely=False, hint="", text=""):
        super().__init__(reason)
        self.reason, self.index, self.likely = reason, index, likely
        self.hint, self.text = hint, text


def is_number_type(kind):
    """Whether a type of Arrow is of numbers, True and False aside."""
    types = optional("pyarrow.types", "Parquet", "parquet")
    return types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)


def is_single_type(kind):
    """Whether a type of Arrow is of no more precision than float32."""
    types = optional("pyarrow.types", "Parquet", "parquet")
    return types.is_float32(kind) or types.is_float16(kind)


def are_single_types(kinds):
    """Whether columns of these types of Arrow are together of float32: as in memory, those of
    float16 alone are of float64."""
    is_single = optional("pyarrow.types", "Parquet", "parquet").is_float32
    return all(map(is_single_type, kinds)) and any(map(is_single, kinds))


def check_number_type(kind):
    """NotANumber for a type of Arrow that is not of numbers."""
    if optional("pyarrow.types", "Parquet", "parquet").is_boolean(kind):
        raise NotANumber("is of type bool, not of numbers", likely=True,
                         hint="; as whole numbers, 1 and 0, it would be used")
    if not is_number_type(kind):
        raise NotANumber(f"is of type {kind}, not of numbers")


def arrow_numbers(array):
    """Floats with NaN where a value is missing; NotANumber for an array of something else."""
    pa = optional("pyarrow", "Parquet", "parquet")
    if not pa.types.is_floating(array.type):
        check_number_type(array.type)
        pc = optional("pyarrow.compute", "Parquet", "parquet")
        if pa.types.is_decimal(array.type):
            # through text, which is rounded correctly
            array = pc.cast(array, pa.string())
        array = pc.cast(array, pa.float64(), safe=False)
    return array.to_numpy(zero_copy_only=False)


def pandas_metadata(schema):
    """What pandas noted in a file, or {}."""
    try:
        return json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    except ValueError:
        return {}


def pandas_index(schema):
    """Names of the columns that are the index of a data frame."""
    return {name for name in pandas_metadata(schema).get("index_columns", [])
            if isinstance(name, str)}
