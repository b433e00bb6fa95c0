# Installing the library.

# Whether the loader looks into the directory without being told to.
loader_looks_in() { # DIRECTORY
    PATH=$PATH:/usr/sbin:/sbin ldconfig -N -X -v 2>&1 | grep -q -F "$1:"
}

pkg_config_looks_in() { # DIRECTORY
    pkg-config --variable pc_path pkg-config | tr : '\n' | grep -q -x -F "$1/pkgconfig"
}

# That directory for libraries below the prefix into which both look; lib where they look into none.
library_directory() { # PREFIX
    for below in "lib/$(${CC:-cc} -print-multiarch 2>/dev/null)" lib lib64; do
        if [ "$below" != lib/ ] && loader_looks_in "$1/$below" && pkg_config_looks_in "$1/$below"; then
            echo "$below"
            return
        fi
    done
    echo lib
}

# The nearest that there is decides.
can_write() { # DIRECTORY
    directory=$1
    while [ ! -e "$directory" ]; do directory=$(dirname "$directory"); done
    [ -w "$directory" ]
}

say_how_to_use() { # PREFIX LIBRARIES
    loader_looks_in "$2" && pkg_config_looks_in "$2" && return
    cat <<END
run: compilers and the loader find it with
    export PKG_CONFIG_PATH=$2/pkgconfig\${PKG_CONFIG_PATH:+:\$PKG_CONFIG_PATH}
    export LD_LIBRARY_PATH=$2\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
    export CMAKE_PREFIX_PATH=$1\${CMAKE_PREFIX_PATH:+:\$CMAKE_PREFIX_PATH}
END
}

cmd_install() { # [PREFIX]
    need_build_tools
    prefix=${1:-/usr/local}
    case $prefix in /*) ;; *) prefix=$from/$prefix ;; esac
    if [ -z "${DESTDIR:-}" ] && ! can_write "$prefix"; then
        echo "run: $prefix cannot be written to: do this as root, or name a directory, as in ./run install ~/.local" >&2
        exit 3
    fi
    below=$(library_directory "$prefix")
    build build-install -Dtests=false -Dexamples=false --buildtype=release --prefix "$prefix" --libdir "$below"
    meson install -C build-install --no-rebuild
    [ -z "${DESTDIR:-}" ] || return 0
    if [ "$(id -u)" = 0 ] && loader_looks_in "$prefix/$below"; then PATH=$PATH:/usr/sbin:/sbin ldconfig; fi
    say_how_to_use "$prefix" "$prefix/$below"
}
