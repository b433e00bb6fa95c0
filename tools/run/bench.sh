# Measuring, and the demo. With --json, the output of bench and bench-python is one JSON object and nothing else.

cmd_demo() {
    need_build_tools
    build build-demo -Dtests=false --buildtype=release
    ./build-demo/examples/wordcount "$@"
}

build_bench() {
    need_build_tools
    install $(missing_commands g++:g++ python3:python3) $(missing_packages libboost-dev libzmq3-dev libuv1-dev libmsgpack-dev)
    build build-bench -Dtests=false -Dexamples=false -Dbench=true --buildtype=release
}

cmd_bench() {
    build_bench >&2
    case ${1-} in
    scale) shift; python3 bench/scale.py build-bench/bench/bench "$@" ;;
    *) python3 bench/bench.py build-bench/bench/bench "$@" ;;
    esac
}

# The libraries that the Python package is measured beside, in an environment of their own. What cannot be installed is left out: the
# rows name it, with the last line of pip's output.
peers_python() { # MODULE:PACKAGE ...
    [ -x build-peers/bin/pip ] || { obtain $(missing_packages python3-venv) && "$(system_python)" -m venv build-peers; } >&2
    for peer in "$@"; do
        build-peers/bin/python -c "import ${peer%%:*}" 2>/dev/null ||
            timeout 300 build-peers/bin/pip install --progress-bar off --timeout 15 --retries 1 "${peer#*:}" >"build-peers/${peer%%:*}.log" 2>&1 ||
            echo "run: ${peer#*:} could not be installed" >&2
    done
}

cmd_bench_python() {
    build_python >&2
    "$(system_python)" -m compileall -q build-python/python/prong >&2
    case ${1-} in
    pools)
        shift
        peers_python numpy:numpy joblib:joblib loky:loky mpire:mpire pebble:pebble billiard:billiard ray:ray
        program=bench/python_pools.py
        ;;
    *)
        peers_python numpy:numpy faster_fifo:faster-fifo
        program=bench/python.py
        ;;
    esac
    PYTHONPATH="$PWD/build-python/python${PYTHONPATH:+:$PYTHONPATH}" build-peers/bin/python "$program" "$@"
}
