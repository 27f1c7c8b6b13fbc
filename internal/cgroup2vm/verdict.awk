# Reads the list of packages and then what came over the serial line; writes a
# line per package and fails unless each of them ran to its end and passed.

function all_ran(    p, word, bad) {
	for (i = 1; i <= n; i++) {
		p = package[i]
		if (!(p in began)) word = "DID NOT RUN"
		else if (!(p in code)) word = "DID NOT END"
		else if (code[p] != 0 || failed[p] > 0) word = "FAILED (exit code " code[p] ")"
		else if (passed[p] == 0 && skipped[p] > 0) word = "ok, but all skipped"
		else word = "ok"
		printf "%-60s %3d passed %3d skipped %3d failed  %s\n", p, passed[p], skipped[p], failed[p], word
		if (word !~ /^ok/) bad = 1
	}
	if (guest != "") { print "the guest failed: " guest; bad = 1 }
	if (!done) { print "the guest did not get to its end"; bad = 1 }
	return !bad
}

FILENAME != last { last = FILENAME; file++ }
file == 1 { package[++n] = $1; next }
# What a killed test leaves of a line may stand before a mark.
{ mark = match($0, /@@(run|exit|failed|done)/) ? substr($0, RSTART) : ""; split(mark, word) }
word[1] == "@@run" { began[current = word[2]] = 1; next }
word[1] == "@@exit" { code[word[2]] = word[3]; current = ""; next }
word[1] == "@@failed" { guest = mark; next }
word[1] == "@@done" { done = 1; next }
current == "" { next }
# Whole tests only: the lines of subtests are indented.
/^--- PASS: / { passed[current]++ }
/^--- FAIL: / { failed[current]++ }
/^--- SKIP: / { skipped[current]++ }

END { exit !all_ran() }
