# What is needed, by Debian's names. Installed by apt-get where that can be done, else named.

missing_commands() { # COMMAND:PACKAGE ...: the packages whose command is not there
    for pair in "$@"; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || echo "${pair#*:}"
    done
}

missing_packages() { # PACKAGE ...: those that dpkg does not know as installed
    command -v dpkg-query >/dev/null 2>&1 || return 0
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
    done
}

as_root() { # COMMAND ...
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() { # PACKAGE ...
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >"$scratch/apt.log" 2>&1
}

# Installs by apt-get; false, with the reason in $scratch/apt.log, where that cannot be done.
obtain() { # PACKAGE ...
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "run: there is no apt-get" >"$scratch/apt.log"
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
        echo "run: this is not root, and there is no sudo" >"$scratch/apt.log"
        return 1
    fi
    echo "run: installing $*"
    [ -n "$(ls /var/lib/apt/lists/*Packages* 2>/dev/null)" ] && apt_install "$@" && return 0
    as_root apt-get update -qq >"$scratch/apt.log" 2>&1 && apt_install "$@"
}

install() { # PACKAGE ...: by apt-get, or says what to install
    obtain "$@" && return 0
    cat "$scratch/apt.log" >&2
    echo "run: please have these installed (names are Debian's), then run this again: $*" >&2
    exit 3
}

# What tests can do without: they skip, or use something else.
want() { # PACKAGE ...
    obtain "$@" || [ "$strict" = false ] || install "$@"
}

need_build_tools() {
    install $(missing_commands cc:gcc meson:meson ninja:ninja-build pkg-config:pkg-config) $(missing_packages libc6-dev libssl-dev)
}

# Without Check the tests have a small runner of their own; without a C++ compiler those of the headers in C++ are skipped.
need_test_tools() {
    need_build_tools
    want $(missing_packages check libsubunit-dev)
}

need_python() {
    need_build_tools
    install $(missing_commands python3:python3) $(missing_packages python3-dev)
}

# What tests of the package use where it is there, else they skip.
want_python_packages() {
    version=$("$(system_python)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    want $(missing_packages "libpython$version-testsuite" python3-numpy python3-joblib python3-cloudpickle mypy \
        python3-ipykernel python3-jupyter-client python3-pytest)
}

# All that ./run test all and ./run lint install.
cmd_prepare() {
    strict=true
    need_test_tools
    install $(missing_commands git:git g++:g++ python3:python3 clang:clang valgrind:valgrind musl-gcc:musl-tools cmake:cmake cppcheck:cppcheck) \
        $(missing_packages libc6-dbg python3-dev python3-venv)
    want_python_packages
}
