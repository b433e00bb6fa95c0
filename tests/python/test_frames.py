"""Arrays of NumPy, frames of pandas and tables of Arrow: in memory once, and read where they are. Each where it is installed."""

import array
import tempfile
import unittest

import prong
from support import SOON, InMethod, for_each_method, installed, main

ROWS = 150000
LARGE = 64 << 20


def own_memory():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("RssAnon:"))


def is_of_the_family(address):
    """Whether the family's memory is mapped there."""
    with open("/proc/self/maps") as file:
        for line in file:
            begin, end = (int(word, 16) for word in line.split(None, 1)[0].split("-"))
            if begin <= address < end:
                return "/memfd:prong" in line
    return False


# --- what there is: for each, what makes it, and what gives the large memory in it, as arrays ---


def numbers():
    import numpy
    return numpy.arange(2.0 * ROWS).reshape(ROWS, 2)


def words():
    return [f"word {n % 1000}" for n in range(ROWS)]


def mapped():
    import numpy
    with tempfile.TemporaryFile() as file:
        made = numpy.memmap(file, dtype="float64", mode="w+", shape=(ROWS,))
    made[:] = numbers()[:, 0]
    return made


def in_numpy():
    import numpy
    records = numpy.zeros(ROWS, dtype=[("a", "i4"), ("b", "f8")])
    records["b"] = numbers()[:, 1]
    return {
        "C order": numbers(), "Fortran order": numpy.asfortranarray(numbers()), "a column": numbers()[:, 1], "backwards": numbers()[::-1],
        "records": records, "dates": numpy.arange(ROWS).astype("datetime64[s]"), "spans": numpy.arange(ROWS).astype("timedelta64[ms]"),
        "text": numpy.array(words()), "mapped": mapped(), "large items": memoryview(bytearray(b"\1" * ROWS * 8)),
    }


def in_pandas():
    import pandas
    frame, value = pandas.DataFrame, numbers()[:, 0]
    return {
        "numbers": frame({"a": value, "b": value * 2, "c": value.astype("i4")}), "categories": frame({"c": pandas.Categorical(words())}),
        "dates": frame({"a": value}, index=pandas.date_range("2020", periods=ROWS, freq="s")),
        "zones": frame({"a": pandas.date_range("2020", periods=ROWS, freq="s", tz="UTC")}),
        "two levels": frame({"a": value}, index=pandas.MultiIndex.from_arrays([value // 10, value % 10], names=["x", "y"])),
        "nullable": frame({"a": pandas.array(value.astype("i8"), dtype="Int64")}), "a series": pandas.Series(value, name="s"),
    }


def in_arrow():
    import pandas
    import pyarrow
    columns = {"a": numbers()[:, 0], "s": words()}
    return {
        "table": pyarrow.table(columns), "batch": pyarrow.record_batch(columns), "two chunks": pyarrow.chunked_array([columns["a"]] * 2),
        "strings": pyarrow.array(columns["s"]), "codes": pyarrow.array(columns["s"]).dictionary_encode(),
        "a frame": pandas.DataFrame({"s": pandas.array(columns["s"], dtype="string[pyarrow]"), "n": pandas.array(columns["a"], dtype="double[pyarrow]")}),
    }


def of_arrow(thing):
    """Its buffers."""
    if hasattr(thing, "columns"):
        return [part for column in thing.columns for part in of_arrow(column)]
    if hasattr(thing, "chunks"):
        return [part for chunk in thing.chunks for part in of_arrow(chunk)]
    return [part for part in thing.buffers() if part is not None]


def of_column(column):
    values = column.array
    if hasattr(values, "__arrow_array__") and hasattr(values, "_pa_array"):
        return of_arrow(values._pa_array)
    for name in ("codes", "_data", "_ndarray"):  # of categories, of nullable numbers, of others
        values = getattr(values, name, values)
    return [values]


def parts_of(thing):
    """The large memory in it: (address, bytes, whether it can be written to)."""
    import numpy
    if hasattr(thing, "iloc"):
        columns = [thing] if thing.ndim == 1 else [thing.iloc[:, n] for n in range(thing.shape[1])]
        parts = [part for column in columns for part in of_column(column)]
    else:
        parts = [thing] if isinstance(thing, (numpy.ndarray, memoryview)) else of_arrow(thing)
    for part in parts:
        if hasattr(part, "is_mutable"):
            yield part.address, part.size, part.is_mutable
        else:
            part = part if hasattr(part, "_ndarray") or isinstance(part, numpy.ndarray) else numpy.asarray(part)
            yield part.__array_interface__["data"][0], part.nbytes, part.flags.writeable


def large_parts_of(thing):
    return [part for part in parts_of(thing) if part[1] > 256 << 10]


def text_of(thing):
    """Of some of its rows: equal for equal things."""
    rows = range(0, ROWS, 97)
    if hasattr(thing, "iloc"):
        return f"{type(thing)} {thing.dtypes} {thing.index.names} {len(thing)} {thing.iloc[rows].to_csv()}"
    if hasattr(thing, "take") and hasattr(thing, "slice"):
        return f"{getattr(thing, 'schema', thing)} {len(thing)} {thing.take(list(rows))}"
    if isinstance(thing, memoryview):
        return f"{thing.format} {bytes(thing)}"
    return f"{type(thing)} {thing.dtype} {thing.shape} {thing[rows].tolist()}"


def look(thing):
    """(how many large parts it has, whether all are the family's memory, whether any can be written to, text_of)"""
    parts = large_parts_of(thing)
    return len(parts), all(is_of_the_family(address) for address, _, _ in parts), any(part[2] for part in parts), text_of(thing)


def read_all(values):
    before = own_memory()
    return float(values[::64].sum()), own_memory() - before


def write(values):
    values[0] = 1


class FrameTests(InMethod):
    def setUp(self):
        self.pool = self.context.Pool(2)
        self.addCleanup(self.pool.terminate)

    def check(self, things):
        for name, thing in things.items():
            with self.subTest(name):
                wanted = text_of(thing)
                with prong.share(thing) as shared:
                    self.check_seen(self.pool.map_async(look, [shared] * 2, 1).get(SOON), wanted, len(large_parts_of(thing)), writable=False)
                if not isinstance(thing, memoryview):  # which does not travel by itself
                    self.check_seen(self.pool.map_async(look, [thing] * 4, 1).get(SOON), wanted, len(large_parts_of(thing)))

    def check_seen(self, seen, wanted, count, writable=None):
        for parts, of_the_family, can_be_written_to, text in seen:
            self.assertEqual((parts, of_the_family, text), (count, True, wanted))
            self.assertGreater(parts, 0)
            if writable is not None:
                self.assertEqual(can_be_written_to, writable)

    @unittest.skipUnless(installed("numpy"), "not installed: numpy")
    def test_arrays_are_read_where_they_are(self):
        self.check(in_numpy())

    @unittest.skipUnless(installed("pandas"), "not installed: pandas")
    def test_frames_are_read_where_they_are(self):
        self.check(in_pandas())

    @unittest.skipUnless(installed("pandas") and installed("pyarrow"), "not installed: pandas, pyarrow")
    def test_tables_are_read_where_they_are(self):
        self.check(in_arrow())

    def test_objects_of_python_are_copied_and_equal(self):
        for thing in (b"\1" * ROWS, bytearray(b"\2" * ROWS), array.array("d", range(ROWS))):
            with prong.share(thing) as shared:
                self.assertEqual(self.pool.apply_async(bytes, (shared,)).get(SOON), bytes(thing))

    @unittest.skipUnless(installed("pandas"), "not installed: pandas")
    def test_objects_in_arrays_are_copied_and_equal(self):
        import numpy
        import pandas
        objects = numpy.array(words(), dtype=object)
        for thing in (objects, pandas.Series(objects), pandas.DataFrame({"s": objects})):
            with prong.share(thing) as shared:
                self.assertEqual(self.pool.apply_async(text_of, (shared,)).get(SOON), text_of(thing))

    @unittest.skipUnless(installed("pandas"), "not installed: pandas")
    def test_what_is_shared_cannot_be_written_to(self):
        import numpy
        import pandas
        for thing in (numpy.zeros(ROWS), pandas.Series(numpy.zeros(ROWS))):
            with prong.share(thing) as shared:
                self.assertRaisesRegex(ValueError, "read-only", self.pool.apply_async(write, (shared,)).get, SOON)

    @unittest.skipUnless(installed("numpy"), "not installed: numpy")
    def test_workers_have_no_memory_of_their_own_for_a_large_array(self):
        import numpy
        values = numpy.ones(LARGE // 8)
        with prong.share(values) as shared:
            for tasks in ([shared] * 4, [values] * 4):
                for total, grown in self.pool.map_async(read_all, tasks, 1).get(SOON):
                    self.assertEqual(total, LARGE // 8 // 64)
                    self.assertLess(grown, LARGE // 20)


ForkTest, SpawnTest, ForkServerTest = for_each_method(FrameTests)

if __name__ == "__main__":
    main()
