# What the log of `meson test` comes to: of each program that failed, what belongs to the failure; of each that skipped tests,
# which and why; last, "counts PASSED FAILED SKIPPED NAMES".
#
# A program of ours ends with "N passed, N failed". One that does not and fails has died, so its last lines are shown, too.

function begin(line) {
    program = ""
    result = "no result"
    lines = passed = failed = skipped = summaries = 0
    names = reasons = ""
    heading = 1
}

function note_skip(name) {
    names = names (names == "" ? "" : ", ") name
}

function belongs(line) {
    return line ~ /^FAIL/ || line ~ /^  [a-z_0-9]+: / || line ~ /^[^ ]*\.(c|h|py):[0-9]+: / || line ~ /runtime error: / ||
           line ~ /^==[0-9]+== / || line ~ /^[A-Za-z_.]*(Error|Exception): /
}

# A sanitizer's report goes on to its summary, or to an empty line after 40 others.
function show_failure(line, i, shown, report) {
    print "--- " program ": " result
    for (i = 1; i <= lines && shown < 80; i++) {
        line = text[i]
        if (line ~ /ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSanitizer/) report = 40
        if (report > 0 || belongs(line)) {
            print line
            shown++
        }
        report = line ~ /^SUMMARY: / ? 0 : report - 1
    }
    if (summaries && shown) return
    print "--- its last lines"
    for (i = lines > 15 ? lines - 14 : 1; i <= lines; i++) print text[i]
}

function finish(wrong) {
    if (program == "") return
    wrong = result !~ /exit status (0|77)( |$)/
    if (result ~ /exit status 77/ && !summaries) {
        skipped = 1
        note_skip(program)
    } else if (!wrong && !summaries) {
        passed = 1
    }
    if (wrong && !failed) failed = 1
    if (failed) show_failure()
    if (skipped) {
        print "    skipped, " program ": " names (reasons == "" ? "" : ": ") reasons
        all_names = all_names (all_names == "" ? "" : ", ") names
    }
    all_passed += passed
    all_failed += failed
    all_skipped += skipped
}

BEGIN { begin() }
/^=+ *[0-9]+\/[0-9]+ *=+$/ { finish(); begin(); next }
heading && /^test: / { program = $NF; next }
heading && /^result: / { result = $0; sub(/^result: */, "", result); next }
/^-+ *(stdout|stderr|output) *-+$/ { heading = 0; next }
heading || /^=+$/ { next }
{ text[++lines] = $0 }
/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3; summaries++ }
/^[0-9]+ skipped$/ { skipped += $1 }
/^skip / { note_skip($2) }
/^ *skipped: / {
    line = $0
    sub(/^ *skipped: /, "", line)
    if (index(reasons, line) == 0) reasons = reasons (reasons == "" ? "" : "; ") line
}
END {
    finish()
    print "counts " all_passed + 0, all_failed + 0, all_skipped + 0, all_names
}
