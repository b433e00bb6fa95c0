"""extract.py sphinx INCLUDE DIRECTORY | man INCLUDE DIRECTORY [VERSION]: the reference from the public headers.

sphinx: a page of Sphinx's C domain for each header. man: manual pages, in man1, man3 and man7 below the directory.
Fails, with file and line, where a public declaration has no comment.
"""
import os
import sys

import headers
import manual
import reference


def main(kind, include, directory, version=""):
    try:
        found = headers.read_all(include)
    except headers.HeaderError as error:
        sys.exit(str(error))
    if kind == "sphinx":
        reference.write(found, directory)
    elif kind == "man":
        manual.write(found, directory, version)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if sys.argv[1] == "man" and os.environ.get("MESON_INSTALL_DESTDIR_PREFIX"):
        sys.argv[3] = os.path.join(os.environ["MESON_INSTALL_DESTDIR_PREFIX"], sys.argv[3])
    main(*sys.argv[1:])
