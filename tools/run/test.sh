# Testing: a variant is a build directory, and a setup of tests/setups in it.

passed=0
failed=0
skipped=0
variants_skipped=

# The line that ends a part of the tests.
add() { # NAME PASSED FAILED SKIPPED NAMES-OF-SKIPPED
    echo "$1: $2 passed, $3 failed$([ "$4" = 0 ] || echo ", $4 skipped${5:+: $5}")"
    passed=$((passed + $2))
    failed=$((failed + $3))
    skipped=$((skipped + $4))
}

# False where packages are wanting that cannot be installed here: the variant is skipped then, and named at the end.
variant_has() { # VARIANT PACKAGE ...
    variant=$1
    shift
    obtain "$@" && return 0
    [ "$strict" = false ] || install "$@"
    echo "$variant: skipped for want of these packages (names are Debian's): $*"
    variants_skipped="$variants_skipped $variant"
    return 1
}

# Tests wait for half of their time: two of them a processor.
run_tests() { # DIRECTORY SHOWN-AS MESON-TEST-ARGUMENTS ...
    directory=$1 shown=$2 code=0
    shift 2
    rm -f "$directory"/meson-logs/testlog*.json
    meson test -C "$directory" --no-rebuild --num-processes $(($(nproc) * 2)) "$@" >"$directory/test.log" 2>&1 || code=$?
    log=$(ls "$directory"/meson-logs/testlog*.json 2>/dev/null | head -n 1)
    [ -n "$log" ] && python3 tests/report/report.py "$log" >"$directory/report" || echo "counts 0 0 0" >"$directory/report"
    sed '$d' "$directory/report"
    read -r _ p f s names <<END
$(tail -n 1 "$directory/report")
END
    if [ "$code" != 0 ] && [ "$f" = 0 ]; then # it is meson that failed
        tail -n 20 "$directory/test.log"
        f=1
    fi
    add "$shown" "$p" "$f" "$s" "$names"
}

# --- the C library ---

test_gcc() {
    need_test_tools
    want $(missing_commands g++:g++)
    build build "-Dwerror=$strict"
    run_tests build gcc --setup gcc
}

test_clang() {
    need_build_tools
    variant_has clang $(missing_commands clang:clang) || return 0
    need_test_tools
    CC=clang build build-clang "-Dwerror=$strict"
    run_tests build-clang clang --setup clang
}

test_asan() {
    need_test_tools
    build build-asan -Db_sanitize=address,undefined -Db_lundef=false
    run_tests build-asan asan --setup asan
}

test_tsan() {
    need_test_tools
    build build-tsan -Db_sanitize=thread -Db_lundef=false
    run_tests build-tsan tsan --setup tsan
}

test_valgrind() {
    need_build_tools
    variant_has valgrind $(missing_commands valgrind:valgrind) $(missing_packages libc6-dbg) || return 0
    need_test_tools
    build build "-Dwerror=$strict"
    run_tests build valgrind --setup valgrind --suite valgrind --wrapper "valgrind --quiet --error-exitcode=98 --vgdb=no"
}

test_musl() {
    need_build_tools
    variant_has musl $(missing_commands musl-gcc:musl-tools) || return 0
    CC=musl-gcc PKG_CONFIG_LIBDIR=/nonexistent build build-musl "-Dwerror=$strict" -Ddefault_library=both -Dopenssl=disabled
    run_tests build-musl musl --setup musl
}

test_install() {
    need_build_tools
    want $(missing_commands cmake:cmake)
    mkdir -p build
    tests/install/check >build/install.log 2>&1 || grep -v '^ok ' build/install.log
    p=$(sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p' build/install.log)
    f=$(sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p' build/install.log)
    s=$(sed -n 's/^\([0-9]*\) skipped$/\1/p' build/install.log)
    add install "${p:-0}" "${f:-1}" "${s:-0}" "$(sed -n 's/^skip //p' build/install.log | paste -s -d ' ' -)"
}

# --- the package ---

# Where a machine has no /etc/hosts, what asks for "localhost" finds it by this library.
localhost_preload() { # DIRECTORY
    getent ahosts localhost >/dev/null 2>&1 && return
    cc -shared -fPIC -o "$1/localhost.so" tests/support/localhost.c -ldl
    echo "$PWD/$1/localhost.so"
}

run_python_tests() { # DIRECTORY SHOWN-AS LIBRARIES-TO-LOAD-FIRST MESON-TEST-ARGUMENTS ...
    preload="$3 $(localhost_preload "$1")"
    directory=$1 shown=$2
    shift 3
    run_tests "$directory" "$shown" --wrapper "env 'LD_PRELOAD=$preload'" "$@"
}

version_of() { # PYTHON
    "$1" -c 'import platform; print(platform.python_version())'
}

python_variant() { # VARIANT
    need_build_tools
    variant_has "$1" $(missing_commands python3:python3) $(missing_packages python3-dev)
}

test_python() {
    python_variant python || return 0
    want_python_packages
    build_python $(other_pythons)
    for python in $(system_python) $(other_pythons); do "$python" -m compileall -q build-python/python/prong; done
    run_python_tests build-python python "" --setup python --suite python
    run_python_tests build-python "python, suites" "" --setup python "suites-$(version_of "$(system_python)")"
}

# The extension and the library in it under AddressSanitizer and UBSan, in Python's development mode.
test_python_asan() {
    python_variant python-asan || return 0
    want_python_packages
    build build-python-asan -Dpython=true -Dpython_program="$(system_python)" -Dpython_tests="$(system_python)" -Dtests=false \
        -Dexamples=false -Db_sanitize=address,undefined -Db_lundef=false
    run_python_tests build-python-asan python-asan "$(cc -print-file-name=libasan.so) $(cc -print-file-name=libubsan.so)" \
        --setup python_asan $(package_tests)
}

# Of the system's interpreter, by name, but for those of types.
package_tests() {
    meson test -C build-python-asan --list 2>/dev/null | sed -n 's/.* \/ \(test_[a-z_]*-.*\)$/\1/p' | grep -v test_types
}

# --- deep: the long ones ---

# One, by its name; or one that the commit chooses, so that each has its turn.
deep_tests="storm-outside_messages-held_back storm-outside_held-held_back storm-outside_pools-held_back
            storm-outside_managers-held_back storm-reuse example-wordcount-large python-dev"

test_deep() { # [NAME]
    chosen=${1:-}
    if [ -z "$chosen" ]; then
        set -- $deep_tests
        shift $((0x$(commit_hash) % $#))
        chosen=$1
    fi
    case $chosen in
    python-dev) deep_python_dev ;;
    bare) deep_bare ;;
    suites-*) deep_suites "${chosen#suites-}" ;;
    debian-* | pebble | mpire | joblib | ecosystem) deep_script "$chosen" ;;
    *) deep_meson "$chosen" ;;
    esac
}

deep_meson() { # NAME
    need_test_tools
    build build "-Dwerror=$strict"
    run_tests build "deep ($1)" --setup deep "$1"
}

tests_of() { # VERSION-OF-PYTHON SUBJECT ...
    of=$1
    shift
    for subject; do echo "test_$subject-$of"; done
}

# By the debug interpreter, which checks references, in the development mode, with checks of memory.
deep_python_dev() {
    need_python
    install $(missing_packages python3-dbg)
    python=$(system_python)-dbg
    [ -x "$python" ] || python=$(system_python)
    build_python "$python"
    name=$(version_of "$python")
    [ "$python" = "$(system_python)" ] || name=$name-debug
    run_python_tests build-python "deep (python-dev)" "" --setup python_dev \
        $(tests_of "$name" prong pool callbacks queues locks programs pickling arrays install \
            managers manager_server manager_deaths manager_interrupts connection readiness)
}

deep_suites() { # VERSION
    need_python
    for python in $(all_other_pythons) $(system_python); do
        if [ "$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" = "$1" ]; then
            build_python "$python"
            run_python_tests build-python "deep (suites-$1)" "" --setup python "suites-$(version_of "$python")"
            return
        fi
    done
    echo "there is no Python $1 with its headers here"
    add "deep (suites-$1)" 0 0 1 "suites-$1"
}

# All tests of the package in trees of other Debians, and the suites of libraries that are built on multiprocessing: these end with
# "N passed, N failed[, N skipped: NAMES]".
deep_script() { # NAME
    mkdir -p build-deep
    (deep_script_one "$1") >"build-deep/$1.log" 2>&1 || true
    last=$(tail -n 1 "build-deep/$1.log")
    set -- "$1" $(echo "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed\(, \([0-9]*\) skipped\)\{0,1\}.*/\1 \2 \4/p')
    [ $# -gt 1 ] || set -- "$1" 0 1
    sed '$d' "build-deep/$1.log"
    add "deep ($1)" "$2" "$3" "${4:-0}" "$(echo "$last" | sed -n 's/.* skipped: //p')"
}

deep_script_one() { # NAME
    need_build_tools
    install $(missing_commands python3:python3)
    case $1 in
    debian-*)
        [ "$(id -u)" != 0 ] || install $(missing_commands debootstrap:debootstrap)
        tests/python/debian "${1#debian-}" build-deep/debian
        ;;
    *)
        install $(missing_packages python3-venv)
        build_python
        if [ "$1" = ecosystem ]; then
            "$(system_python)" tests/python/third_parties/ecosystem.py build-python build-deep/third_parties
        else
            "$(system_python)" tests/python/third_parties/compare.py build-python build-deep/third_parties "$1"
        fi
        ;;
    esac
}

# The trees of Debian and the logs stay in build-bare.
deep_bare() {
    mkdir -p build-bare
    code=0
    tests/bare/bare build-bare || code=$?
    case $code in
    0) add "deep (bare)" 1 0 0 ;;
    77) add "deep (bare)" 0 0 1 bare ;;
    *) add "deep (bare)" 0 1 0 ;;
    esac
}

# --- the command ---

started=$(date +%s)
took() { # NAME
    now=$(date +%s)
    echo "    $1 took $((now - started)) s"
    started=$now
}

cmd_test() {
    if [ "${1:-}" = deep ]; then
        test_deep "${2:-}"
        shift $#
    elif [ $# -eq 0 ]; then
        set -- gcc python
    elif [ "$*" = all ]; then
        set -- gcc deep clang asan tsan valgrind musl install python python-asan
    fi
    for variant in "$@"; do
        case $variant in
        gcc | deep | clang | asan | tsan | valgrind | musl | install | python) "test_$variant" ;;
        python-asan) test_python_asan ;;
        *) usage >&2; exit 2 ;;
        esac
        took "$variant"
    done
    echo "$passed passed, $failed failed, $skipped skipped${variants_skipped:+; variants skipped:$variants_skipped}"
    [ "$failed" = 0 ]
}
