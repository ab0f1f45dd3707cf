"""The content of a .pt2 archive: a zip file of JSON and of raw numbers. Nothing in it is unpickled or run."""

from __future__ import annotations

import io
import json
import math
import zipfile
from typing import Any

import numpy as np

from splinecam_exact._files import printable
from splinecam_exact.importers.tensors import Constant
from splinecam_exact.kernel.errors import FileFormatError

_MOST_ENTRIES = 1 << 28
_BFLOAT16 = 13
_DTYPES = {1: "u1", 2: "i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?", _BFLOAT16: "<u2"}
"""numpy's names of torch's number types, by their numbers in the archive."""

NAMES = {
    **{1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64"},
    **{9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16"},
}


class Archive:
    """The members of an archive, by their names within its folder."""

    def __init__(self, data: bytes, place: str) -> None:
        self.place = place
        self._members: dict[str, bytes] = {}
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = archive.infolist()
                if sum(e.file_size for e in entries) > len(data):
                    raise FileFormatError(place, "holds members that are larger than the file")
                for entry in entries:
                    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                        raise FileFormatError(place, f"member {_shown(entry.filename)} is compressed or encrypted")
                    name = entry.filename.partition("/")[2]
                    if name in self._members:
                        raise FileFormatError(place, f"member {_shown(entry.filename)} occurs twice")
                    self._members[name] = archive.read(entry)
        except FileFormatError:
            raise
        except Exception as error:  # zipfile raises many kinds for broken archives
            raise FileFormatError(place, f"is not a zip archive that can be read ({error})") from None
        if self._members.get("archive_format") != b"pt2" or self._members.get("byteorder", b"little") != b"little":
            raise FileFormatError(
                place, "is not a little-endian archive of torch.export.save: save it again with torch 2.9 or newer"
            )

    def model(self) -> tuple[str, Any]:
        """The name of the one program, and its JSON."""
        names = [n[7:-5] for n in self._members if n.startswith("models/") and n.endswith(".json")]
        if len(names) != 1:
            raise FileFormatError(self.place, f"holds {len(names)} programs; one is needed")
        return names[0], self.json(f"models/{names[0]}.json")

    def json(self, name: str) -> Any:
        """The JSON in a member."""
        try:
            return json.loads(self._member(name).decode("utf-8"))
        except FileFormatError:
            raise
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{self.place}: {_shown(name)}", f"is no JSON that can be read ({error})") from None

    def tensors(self, folder: str, model: str) -> dict[str, Constant]:
        """The tensors in data/weights or data/constants, by their names in the module."""
        place = f"{self.place}: {folder}"
        config = self.json(f"data/{folder}/{model}_{folder}_config.json")
        found = {}
        for name, payload in typed(typed(config, dict, place).get("config"), dict, place).items():
            where = f"{place}: {_shown(name)}"
            if typed(typed(payload, dict, where).get("use_pickle"), bool, where):
                raise FileFormatError(where, "is pickled, which is never read: save a plain tensor")
            content = self._member(f"data/{folder}/{typed(payload.get('path_name'), str, where)}")
            found[name] = decoded(content, typed(payload.get("tensor_meta"), dict, where), where)
        return found

    def _member(self, name: str) -> bytes:
        if name not in self._members:
            raise FileFormatError(
                self.place, f"lacks {_shown(name)}: save it again with torch.export.save of torch 2.9 or newer"
            )
        return self._members[name]


def decoded(content: bytes, meta: dict[str, Any], place: str) -> Constant:
    """The tensor in raw bytes: floats as float64, which holds them exactly, others as ints or bools."""
    number = meta.get("dtype")
    if type(number) is not int or number not in _DTYPES:
        name = NAMES.get(number, "an unknown type") if type(number) is int else "an unknown type"
        raise FileFormatError(place, f"holds numbers of {name}; floats of 16 to 64 bits, ints and bools are read")
    if meta.get("layout") != 7:
        raise FileFormatError(place, "is a sparse tensor; dense ones are read")
    dtype = np.dtype(_DTYPES[number])
    shape, strides = (
        [size(entry, place) for entry in typed(meta.get(key), list, place)] for key in ("sizes", "strides")
    )
    start = size(meta.get("storage_offset"), place)
    count = len(content) // dtype.itemsize
    if len(shape) != len(strides) or len(shape) > 32 or math.prod(shape) > min(_MOST_ENTRIES, max(count, 1) * 64):
        raise FileFormatError(place, f"claims shape {shape[:33]} with strides {strides[:33]}")
    if math.prod(shape) and start + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) >= count:
        raise FileFormatError(place, f"claims shape {shape}, but holds {len(content)} bytes")
    flat = np.frombuffer(content, dtype, count)
    if number == _BFLOAT16:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    if not math.prod(shape):
        return np.zeros(shape)
    steps = [s * flat.itemsize for s in strides]
    found = np.lib.stride_tricks.as_strided(flat[start:], shape, steps, writeable=False)
    if found.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # signalling NaN
            return found.astype(np.float64)
    return found.copy() if found.dtype.kind == "b" else found.astype(np.int64)


def size(entry: Any, place: str) -> int:
    """A size, stride or offset that is a plain number."""
    found = typed(entry, dict, place).get("as_int")
    if type(found) is not int or not 0 <= found < 1 << 40:
        raise FileFormatError(place, f"has the size {_shown(entry)}; a number is needed")
    return found


def typed(value: Any, kind: type, place: str) -> Any:
    """The value, which must be of the type."""
    if type(value) is not kind:
        raise FileFormatError(place, f"has {_shown(value)} where a {kind.__name__} is needed")
    return value


def _shown(value: object) -> str:
    text = printable(value if isinstance(value, str) else repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
