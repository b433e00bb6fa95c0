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

cmd_bench_python() {
    build_python >&2
    "$(system_python)" -m compileall -q build-python/python/prong >&2
    PYTHONPATH="$PWD/build-python/python${PYTHONPATH:+:$PYTHONPATH}" "$(system_python)" bench/python.py "$@"
}
