# Building, each in a directory of its own.

# A build directory is configured anew for other options, and made anew for another compiler or flags.
build() { # DIRECTORY OPTIONS ...
    directory=$1
    shift
    environment="CC=${CC-} CFLAGS=${CFLAGS-} CPPFLAGS=${CPPFLAGS-} LDFLAGS=${LDFLAGS-} PKG_CONFIG_LIBDIR=${PKG_CONFIG_LIBDIR-}"
    if [ "$(cat "$directory/environment" 2>/dev/null)" != "$environment" ]; then
        rm -rf "$directory"
        configure "$@"
    elif [ "$(cat "$directory/options" 2>/dev/null)" != "$*" ]; then
        configure --reconfigure "$@"
    fi
    ninja -C "$directory" >"$directory/build.log" 2>&1 || { tail -n 60 "$directory/build.log" >&2; exit 1; }
}

configure() { # [--reconfigure] OPTIONS ...
    rm -f "$directory/environment"
    meson setup "$directory" "$@" >"$scratch/setup.log" 2>&1 || { cat "$scratch/setup.log" >&2; exit 1; }
    [ "$1" != --reconfigure ] || shift
    echo "$*" >"$directory/options"
    echo "$environment" >"$directory/environment"
}

# The system's interpreter, for which the packages are; then whatever others there are from 3.9 on that have their headers.
system_python() {
    if [ -x /usr/bin/python3 ]; then echo /usr/bin/python3; else command -v python3; fi
}

all_other_pythons() {
    for python in /usr/local/bin/python3.[0-9]* "${HOME:-/root}"/.pyenv/versions/3.*/bin/python3; do
        "$python" -c 'import os, sys, sysconfig
sys.exit(sys.version_info < (3, 9) or not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' 2>/dev/null &&
            echo "$python"
    done
    true
}

# Four digits or so of the commit's hash; 0 where there is no git.
commit_hash() {
    git rev-parse --short=4 HEAD 2>/dev/null || echo 0
}

# All of them; or as many as PRONG_PYTHONS says, chosen by the commit, so that each has its turn.
other_pythons() {
    set -- $(all_other_pythons)
    [ $# -gt 0 ] || return 0
    count=${PRONG_PYTHONS:-$#}
    [ "$count" -lt $# ] || count=$#
    first=$((0x$(commit_hash) % $#))
    set -- "$@" "$@"
    shift "$first"
    printf '%s\n' "$@" | head -n "$count"
}

# The package, for the system's interpreter and for others; with the tests of all of them.
build_python() { # PYTHON ...
    need_python
    listed=$(system_python)
    for python in "$@"; do listed=$listed,$python; done
    build build-python -Dpython=true -Dpython_program="$(system_python)" -Dpython_tests="$listed" -Dtests=false -Dexamples=false \
        --buildtype=release
    [ $# -eq 0 ] || tests/python/build_for build-python "$@"
}

cmd_python() {
    build_python $(other_pythons)
    echo "PYTHONPATH=$PWD/build-python/python"
}
