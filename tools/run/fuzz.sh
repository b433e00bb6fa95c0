# Fuzzing, and what runs without end.

fuzz_targets() {
    ls tests/fuzz/*_fuzz.c | sed 's|.*/\(.*\)_fuzz\.c|\1|'
}

# Debian has clang's sanitizers in a package of their own, from some version on.
need_fuzzer() {
    need_build_tools
    install $(missing_commands clang:clang)
    echo 'int LLVMFuzzerTestOneInput(const char *, long); int LLVMFuzzerTestOneInput(const char *d, long n) { return 0; }' |
        clang -fsanitize=fuzzer,address,undefined -xc - -o /dev/null 2>/dev/null ||
        install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
}

# What it finds is kept in build-fuzz/corpus/TARGET, and an input that fails in build-fuzz/TARGET-*.
fuzz_one() { # TARGET SECONDS
    mkdir -p "build-fuzz/corpus/$1"
    (cd build-fuzz && nice ./"$1"_fuzz -max_total_time="$2" -max_len=2048 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -dict="$1_fuzz.dict" -artifact_prefix="$1-" "corpus/$1" "../tests/fuzz/corpus/$1" >"$1.log" 2>&1) &&
        sed -n "s/^stat::number_of_executed_units: */fuzz $1: no finding in runs: /p" "build-fuzz/$1.log" && return 0
    tail -n 60 "build-fuzz/$1.log"
    echo "fuzz $1: a finding"
    return 1
}

cmd_fuzz() { # [SECONDS] [TARGET…]
    seconds=3600 findings=0
    case ${1:-} in [0-9]*) seconds=$1; shift ;; esac
    [ $# -gt 0 ] || set -- $(fuzz_targets)
    need_fuzzer
    mkdir -p build-fuzz
    OUT=$PWD/build-fuzz TARGETS=$* CC=clang LIB_FUZZING_ENGINE=-fsanitize=fuzzer \
        CFLAGS="-g -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" tests/fuzz/oss-fuzz/build.sh
    for target in "$@"; do fuzz_one "$target" "$seconds" || findings=1; done
    [ "$findings" = 0 ]
}

cmd_soak() {
    need_test_tools
    build build "-Dwerror=$strict"
    for model in litmus lock condition queue bell rows; do PRONG_MODEL_ALL=1 "./build/tests/model-$model"; done
    PRONG_STEP_ALL=1 TEST_TIME_FACTOR=1000 ./build/tests/storm-step-test
    PRONG_STEP_ALL=1 TEST_TIME_FACTOR=1000 ./build/tests/storm-step_sync-test
    PRONG_STEP_ALL=1 TEST_TIME_FACTOR=1000 ./build/tests/storm-step_bell-test
    PRONG_STORM_KILLS=20000 TEST_TIME_FACTOR=100000 ./build/tests/storm-storm_sync-test
    for subject in messages held pools managers; do
        PRONG_STORM_SECONDS=600 TEST_TIME_FACTOR=4 "./build/tests/storm-outside_$subject-test"
    done
    PRONG_STORM_SECONDS=600 TEST_TIME_FACTOR=4 ./build/tests/storm-reuse-test
    PRONG_STORM_KILLS=0 TEST_TIME_FACTOR=100000 ./build/tests/storm-storm-test
}
