# Layout and static analysis.

# Layout is what one version of clang-format makes of it: others differ. What another cppcheck finds is shown, and fails only
# where PRONG_STRICT is set.
format_version=14
cppcheck_version=2.10
ruff_version=0.8

find_formatter() {
    for command in "clang-format-$format_version" clang-format build-lint/bin/clang-format; do
        if "$command" --version 2>/dev/null | grep -q "version $format_version\."; then
            echo "$command"
            return
        fi
    done
}

# By the system's package of that version, else by Python's.
need_formatter() {
    [ -z "$(find_formatter)" ] || return 0
    obtain "clang-format-$format_version" || obtain $(missing_packages python3-venv) || return 0
    [ -n "$(find_formatter)" ] || { python3 -m venv build-lint && build-lint/bin/pip install -q "clang-format==$format_version.*"; } \
        >"$scratch/pip.log" 2>&1 || cat "$scratch/pip.log"
}

source_files() {
    git ls-files '*.c' '*.h' '*.cpp' 2>/dev/null || find include src python tests examples bench -name '*.[ch]'
}

lint_format() {
    need_formatter
    formatter=$(find_formatter)
    if [ -n "$formatter" ]; then
        "$formatter" --dry-run --Werror $(source_files) || bad=1
    else
        echo "lint: formatting is checked by clang-format $format_version alone, which is not here"
        not_linted="$not_linted formatting"
        [ "$strict" = false ] || bad=1
    fi
}

lint_cppcheck() {
    install $(missing_commands cppcheck:cppcheck)
    version=$(cppcheck --version)
    cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,portability \
        --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=nullPointerArithmetic \
        --suppress=normalCheckLevelMaxBranches --suppress=syntaxError:src/os/linux/program.c \
        -I include -I src src && return 0
    [ "$strict" = false ] && [ "${version#Cppcheck }" != "$cppcheck_version" ] &&
        echo "lint: that is of $version; Cppcheck $cppcheck_version decides" || bad=1
}

find_ruff() {
    for command in ruff build-lint/bin/ruff; do
        if "$command" --version 2>/dev/null | grep -q "^ruff $ruff_version\."; then
            echo "$command"
            return
        fi
    done
}

# Debian 12 has none: Python's.
need_ruff() {
    [ -z "$(find_ruff)" ] || return 0
    obtain $(missing_packages python3-venv) || return 0
    { python3 -m venv build-lint && build-lint/bin/pip install -q "ruff==$ruff_version.*"; } >"$scratch/pip.log" 2>&1 || cat "$scratch/pip.log"
}

lint_ruff() {
    need_ruff
    ruff=$(find_ruff)
    if [ -n "$ruff" ]; then
        "$ruff" check --quiet --no-cache python tests/python tests/lint_imports || bad=1
    else
        echo "lint: Python is checked by ruff $ruff_version, which is not here"
        not_linted="$not_linted ruff"
        [ "$strict" = false ] || bad=1
    fi
}

lint_mypy() {
    if obtain $(missing_commands mypy:mypy); then
        mypy --no-error-summary --cache-dir "$scratch/mypy" || bad=1
    else
        echo "lint: Python's types are checked by mypy, which is not here"
        not_linted="$not_linted mypy"
        [ "$strict" = false ] || bad=1
    fi
}

cmd_lint() {
    bad=0 not_linted=
    lint_format
    lint_cppcheck
    lint_ruff
    lint_mypy
    for part in layers names static imports headers; do
        found=$("tests/lint_$part") || { echo "$found"; bad=1; }
    done
    [ "$bad" = 0 ] && echo "lint: clean${not_linted:+ (skipped:$not_linted)}"
    [ "$bad" = 0 ]
}

cmd_abi() {
    need_build_tools
    install $(missing_commands abidw:abigail-tools)
    tools/abi "$@"
}
