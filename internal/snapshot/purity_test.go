package snapshot_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that our own imports begin with.
const module = "github.com/estimatord/estimatord/"

// pure are the packages that the daemon and a replay run alike.
var pure = []string{"internal/snapshot", "internal/enum", "internal/resources", "internal/reason", "estimator", "internal/demand", "estimator/predict", "qos", "qos/policy", "qos/signal", "internal/decision"}

// banned says why a pure package must not import a package or anything below
// it.
var banned = map[string]string{
	"os":                         "a decision depends on its inputs alone, not on files or the environment",
	"io/fs":                      "a decision depends on its inputs alone, not on files",
	"net":                        "nothing in a decision may wait for the network",
	"syscall":                    "a decision depends on its inputs alone, not on the kernel",
	"golang.org/x/sys":           "a decision depends on its inputs alone, not on the kernel",
	"log":                        "what was decided is in the decision; its owner logs it",
	"math/rand":                  "the same inputs give the same decision",
	"google.golang.org/grpc":     "decisions do not know how they are asked for",
	"google.golang.org/protobuf": "decisions work on our own types, not on the wire's",
	"github.com/prometheus":      "decisions do not know how they are watched",
}

// clock are the functions of package time that read or wait for the clock.
var clock = []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep"}

// TestPurePackages holds the pure packages, and whatever of our own they
// import, to the rules above.
func TestPurePackages(t *testing.T) {
	faults, seen := check(os.DirFS("../.."), pure)
	for _, f := range faults {
		t.Error(f)
	}
	if len(seen) < len(pure) {
		t.Errorf("looked at %v only", seen)
	}
}

// TestPurityCheckerFindsFaults shows that the check can fail, and at what.
func TestPurityCheckerFindsFaults(t *testing.T) {
	faults, seen := check(os.DirFS("testdata/purity"), []string{"impure", "clean"})
	want := []string{
		"impure/impure.go:5: imports golang.org/x/sys/unix: a decision depends on its inputs alone, not on the kernel",
		"impure/impure.go:6: imports os: a decision depends on its inputs alone, not on files or the environment",
		"impure/impure.go:13: calls time.Since: time comes with the snapshot, so that a replay decides alike",
		"impure/impure.go:13: calls time.Now: time comes with the snapshot, so that a replay decides alike",
		"through/through.go:4: imports net/http: nothing in a decision may wait for the network",
		"through/through.go:5: imports time by '.': its clock could be called unseen",
	}
	if !slices.Equal(faults, want) {
		t.Errorf("faults:\n%s\nwant:\n%s", strings.Join(faults, "\n"), strings.Join(want, "\n"))
	}
	if wantSeen := []string{"clean", "impure", "through"}; !slices.Equal(seen, wantSeen) {
		t.Errorf("looked at %v, want %v", seen, wantSeen)
	}
}

// check returns the faults of the packages in root and of all that they import
// of our own, and the packages that it looked at.
func check(root fs.FS, packages []string) (faults, seen []string) {
	done := map[string]bool{}
	for todo := slices.Clone(packages); len(todo) > 0; {
		pkg := todo[0]
		todo = todo[1:]
		if done[pkg] {
			continue
		}
		done[pkg] = true
		files, err := fs.Glob(root, pkg+"/*.go")
		if err != nil || len(files) == 0 {
			faults = append(faults, fmt.Sprintf("%s: no source: %v", pkg, err))
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			found, own := checkFile(root, file)
			faults = append(faults, found...)
			todo = append(todo, own...)
		}
	}
	return faults, slices.Sorted(maps.Keys(done))
}

// checkFile returns the faults of one file and what it imports of our own.
func checkFile(root fs.FS, file string) (faults, own []string) {
	source, err := fs.ReadFile(root, file)
	if err != nil {
		return []string{err.Error()}, nil
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, filepath.ToSlash(file), source, parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}, nil
	}
	fault := func(at token.Pos, format string, args ...any) {
		faults = append(faults, fmt.Sprintf("%s:%d: %s", file, set.Position(at).Line, fmt.Sprintf(format, args...)))
	}
	timeName := ""
	for _, spec := range tree.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			fault(spec.Pos(), "%v", err)
			continue
		}
		if rest, ok := strings.CutPrefix(path, module); ok {
			own = append(own, rest)
		}
		for bad, why := range banned {
			if path == bad || strings.HasPrefix(path, bad+"/") {
				fault(spec.Pos(), "imports %s: %s", path, why)
			}
		}
		if path == "time" {
			timeName = "time"
			if spec.Name != nil {
				timeName = spec.Name.Name
			}
			if timeName == "." {
				fault(spec.Pos(), "imports time by '.': its clock could be called unseen")
			}
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName && slices.Contains(clock, sel.Sel.Name) {
			fault(sel.Pos(), "calls time.%s: time comes with the snapshot, so that a replay decides alike", sel.Sel.Name)
		}
		return true
	})
	return faults, own
}
