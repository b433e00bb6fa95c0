"""check_wordcount.py WORDCOUNT [TEST ...]: the demo's totals are those that this program counts itself, on trees with
whatever a tree may have in it, with workers killed meanwhile and without. Without names: all tests but the large ones."""

import collections
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

WORDCOUNT = os.path.abspath(sys.argv[1])
MIB = 1 << 20
WAIT = 900  # seconds after which it hangs

Found = collections.namedtuple("Found", "files bytes words different top binary others unread_files unread_folders equal code")


# --- what the demo prints ---


def numbers(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return [int(number) for number in match.groups()] if match else [0, 0]


def read_output(text, code):
    line = re.search(r": (\d+) text files, [\d.]+ MB \((\d+) bytes\), (\d+) words, (\d+) different ones$", text, re.MULTILINE)
    assert line, text
    top = [(word, int(count)) for word, count in re.findall(r"^  ([a-z]+) +(\d+)$", text, re.MULTILINE)]
    equal = re.search(r"^totals equal to the serial ones: (.*)$", text, re.MULTILINE)[1]
    return Found(
        *map(int, line.groups()), top,
        *numbers(r"^left aside: (\d+) binary files, (\d+) links and special files$", text),
        *numbers(r"^could not be read: (\d+) files, (\d+) folders$", text), equal, code)


def run(folder, *arguments):
    done = subprocess.run([WORDCOUNT, *arguments, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WAIT)
    text = os.fsdecode(done.stdout)
    assert done.returncode in (0, 1) and "different ones" in text, (done.returncode, text)
    return read_output(text, done.returncode)


# --- this program's own count ---


class Count:
    def __init__(self):
        self.files = self.bytes = self.binary = self.others = self.unread_files = self.unread_folders = 0
        self.words = collections.Counter()

    def add(self, data, times=1):
        for word, count in collections.Counter(re.findall(rb"[a-z]+", data.lower())).items():
            self.words[word] += count * times

    def add_file(self, data):
        if b"\0" in data[:4096]:
            self.binary += 1
        else:
            self.files += 1
            self.bytes += len(data)
            self.add(data)

    def check(self, found):
        top = sorted((-count, word[:31].decode()) for word, count in self.words.items())[:10]
        assert found.top == [(word, -count) for count, word in top], (found.top, top)
        mine = (self.files, self.bytes, sum(self.words.values()), len(self.words))
        assert found[:4] == mine, (found[:4], mine)
        mine = (self.binary, self.others, self.unread_files, self.unread_folders)
        assert found[5:9] == mine, (found[5:9], mine)
        assert (found.equal, found.code) == ("yes", 0), found


# --- trees ---


def write(path, data, count=None):
    with open(path, "wb") as file:
        file.write(data)
    if count:
        count.add_file(data)


def text_of(size, seed):
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefgHIJ", k=chance.randint(1, 12))) for _ in range(5000)]
    parts, length = [], 0
    while length < size:
        part = " ".join(chance.choices(words, k=10000))
        parts.append(part)
        length += len(part) + 1
    return "\n".join(parts).encode()[:size]


def text_with_borders(size, seed):
    """Each border of a piece is in the middle of a word of its own, before the first letter of one, or after the last."""
    data = bytearray(text_of(size, seed))
    for number, border in enumerate(range(MIB, size, MIB)):
        word = b" border%s " % bytes([ord("a") + number % 26]) * 2
        at = border - number % (len(word) + 1)
        data[at:at + len(word)] = word
    long = b" %s " % (b"l" * (3 * MIB + 2))  # longer than a piece: the same word, from here and from there
    for at in 5 * MIB + 7, 15 * MIB + 70000:
        data[at:at + len(long)] = long
    data[10 * MIB - 6:12 * MIB] = b" " + b"m" * (2 * MIB + 5)  # ends on a border
    data[12 * MIB] = ord(" ")
    return bytes(data)


def make_odd_names(folder, count):
    for name in (b"new\nline", b"\xff\xfe\x80", b" blanks ", b"-dash", b"quote'\"`$(x)", b"\xc3\xa4", b"%s%n", b"n" * 255):
        write(os.path.join(folder, name), b"odd name " + name.replace(b"\n", b" "), count)


def make_binary(folder, count):
    write(folder + b"/binary", b"text before\0and after", count)
    write(folder + b"/zero_late", b"w " * 4096 + b"\0late zero\0", count)
    write(folder + b"/large_binary", b"\0" + b"word " * MIB, count)
    with open(folder + b"/sparse", "wb") as file:
        file.truncate(1 << 42)
    count.binary += 1


def make_special(folder, count):
    os.mkfifo(folder + b"/fifo")
    os.symlink(b"loop", folder + b"/loop")
    os.symlink(b"nothing", folder + b"/dangling")
    os.symlink(b"..", folder + b"/up")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(folder + b"/socket")
    count.others += 5


def make_unreadable(folder, count):
    """Paths that are too long: not even root can open these."""
    fd = os.open(folder, os.O_RDONLY)
    for level in range(20):  # 16 of them can be opened
        os.mkdir("d" * 250, dir_fd=fd)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
        path_size = len(folder) + 251 * (level + 1)
        if path_size < 4096 <= path_size + 251:
            os.close(os.open("f" * 250, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
            with os.fdopen(os.open("g" * 250, os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd), "wb") as file:
                file.write(b"cannot be read")
    os.close(fd)
    count.files += 1  # the empty one
    count.unread_files += 1
    count.unread_folders += 1


def make_everything(folder):
    count = Count()
    write(folder + b"/large", text_with_borders(24 * MIB + 11, 1), count)
    for number in range(200):
        write(folder + b"/small%d" % number, text_of(5000 + number, number), count)
    os.mkdir(folder + b"/empty")
    for number in range(3000):
        write(folder + b"/empty/%d" % number, b"", count)
    for make in (make_odd_names, make_binary, make_special, make_unreadable):
        inner = folder + b"/" + make.__name__.encode()
        os.mkdir(inner)
        make(inner, count)
    return count


class Tree:
    """A folder that is there while the test is."""

    def __enter__(self):
        self.folder = os.fsencode(tempfile.mkdtemp(prefix="wordcount-"))
        return self.folder

    def __exit__(self, *error):
        shutil.rmtree(self.folder)


class Meanwhile:
    """Calls a function again and again in a thread."""

    def __init__(self, function):
        self.function, self.stop = function, threading.Event()
        self.thread = threading.Thread(target=self.repeat)

    def repeat(self):
        while not self.stop.is_set():
            self.function()

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *error):
        self.stop.set()
        self.thread.join()


# --- the tests ---


def a_tree_of_everything_is_counted_right():
    with Tree() as folder:
        count = make_everything(folder)
        count.check(run(folder))
        for method in "fork", "spawn", "forkserver":
            count.check(run(folder, "--kill", "--method", method))
        count.check(run(folder, "--kill", "--processes", "1"))


def a_single_file_or_a_link_is_a_tree():
    with Tree() as folder:
        count = Count()
        write(folder + b"/file", b"one two two", count)
        os.symlink(folder + b"/file", folder + b"/link")
        count.check(run(folder + b"/file"))
        count.check(run(folder + b"/link"))


def an_empty_tree_has_no_words():
    with Tree() as folder:
        Count().check(run(folder))
        Count().check(run(folder, "--kill"))


def a_task_longer_than_the_killer_pauses_ends():
    with Tree() as folder:
        count = Count()
        write(folder + b"/word", b"x" * (64 * MIB) + b" y", count)
        count.check(run(folder, "--kill", "--processes", "1"))


def a_file_that_grows_is_counted_as_it_was():
    with Tree() as folder:
        write(folder + b"/steady", text_of(4 * MIB, 1))
        write(folder + b"/growing", text_of(8 * MIB, 2))
        more = text_of(1000, 3)

        def grow():
            with open(folder + b"/growing", "ab") as file:
                file.write(more)
            stop = os.path.getsize(folder + b"/growing") > 256 * MIB
            if stop:
                threading.Event().wait(0.05)

        for arguments in [], ["--kill"]:
            with Meanwhile(grow):
                found = run(folder, *arguments)
            assert (found.files, found.equal, found.code) == (2, "yes", 0), found


def files_that_vanish_or_shrink_do_no_harm():
    with Tree() as folder:
        data = text_of(8 * MIB, 1)
        write(folder + b"/steady", data)
        inner = folder + b"/inner"

        def change():
            os.mkdir(inner)
            write(inner + b"/vanishes", data[:3 * MIB])
            write(folder + b"/shrinks", data)
            os.truncate(folder + b"/shrinks", 100)
            shutil.rmtree(inner)
            os.unlink(folder + b"/shrinks")
            os.mkfifo(folder + b"/shrinks")
            os.unlink(folder + b"/shrinks")

        for arguments in [], ["--kill"], []:
            with Meanwhile(change):
                found = run(folder, *arguments)
            assert found.files >= 1 and found.equal.startswith("yes") and found.code == 0, found


def a_file_of_a_gib_is_counted_right():
    with Tree() as folder:
        block = text_of(37 * MIB + 12345, 1) + b"\n"
        times = (1 << 30) // len(block) + 1
        count = Count()
        with open(folder + b"/large", "wb") as file:
            for _ in range(times):
                file.write(block)
        count.files, count.bytes = 1, times * len(block)
        count.add(block, times)
        count.check(run(folder))
        count.check(run(folder, "--kill"))


def a_hundred_thousand_files_are_counted_right():
    with Tree() as folder:
        count = Count()
        for number in range(100000):
            if number % 1000 == 0:
                os.mkdir(folder + b"/%d" % number)
            write(folder + b"/%d/%d" % (number - number % 1000, number), b"some words\n" if number % 4 == 0 else b"", count)
        count.check(run(folder))
        count.check(run(folder, "--kill"))


SMALL = [a_tree_of_everything_is_counted_right, a_single_file_or_a_link_is_a_tree, an_empty_tree_has_no_words,
         a_task_longer_than_the_killer_pauses_ends, a_file_that_grows_is_counted_as_it_was,
         files_that_vanish_or_shrink_do_no_harm]
LARGE = [a_file_of_a_gib_is_counted_right, a_hundred_thousand_files_are_counted_right]


def main():
    tests = [test for test in SMALL + LARGE if test.__name__ in sys.argv[2:]] or SMALL
    failed = 0
    for test in tests:
        try:
            test()
            print("ok  ", test.__name__, flush=True)
        except Exception as error:
            failed += 1
            print("FAIL", test.__name__, type(error).__name__, error, flush=True)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
