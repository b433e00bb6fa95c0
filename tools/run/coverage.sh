# Which lines and branches of each layer the tests run: by clang, whose counters lie in memory that is the file's, so that they outlive
# _exit and SIGKILL.

cmd_coverage() {
    need_test_tools
    install $(missing_commands clang:clang llvm-cov:llvm)
    flags="-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation"
    CC=clang CFLAGS="$flags" LDFLAGS="$flags" build build-coverage -Dtests=true -Dexamples=false --buildtype=debug
    rm -rf build-coverage/raw
    mkdir build-coverage/raw
    export LLVM_PROFILE_FILE="$PWD/build-coverage/raw/%2m%c.profraw" PRONG_STORM_KILLS=300 PRONG_STEP_STRIDE=7 TEST_TIME_FACTOR=3
    run_tests build-coverage coverage --setup gcc --no-suite step --timeout-multiplier 3
    # Recovery of a channel from death in the middle of a call; other operations take too long here.
    run_tests build-coverage coverage-step --setup gcc --timeout-multiplier 3 --test-args "put_ get_" storm-step
    # a process that was killed as it began may leave a file that cannot be read
    llvm-profdata merge -failure-mode=all -o build-coverage/all.profdata build-coverage/raw/*.profraw
    llvm-cov export -summary-only -instr-profile build-coverage/all.profdata build-coverage/src/libprong.so $(coverage_programs) \
        >build-coverage/summary.json 2>"$scratch/llvm-cov.log" || { cat "$scratch/llvm-cov.log" >&2; exit 1; }
    python3 tools/run/coverage.py build-coverage/summary.json
}

# The library is in some of the tests' programs, too.
coverage_programs() {
    for program in build-coverage/tests/*-test; do
        case $program in */base-race-test | */os-*-test | */family-*-test | */net-*-test | */faults-*-test) echo "-object $program" ;; esac
    done
}
