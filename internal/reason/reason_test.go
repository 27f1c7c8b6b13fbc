package reason

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared are the codes that reason.go declares.
func declared(t *testing.T) (codes []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "reason.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "Code" {
			return true
		}
		for _, v := range spec.Values {
			code, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	return codes
}

func TestEveryCodeIsExplainedOnce(t *testing.T) {
	codes := declared(t)
	if len(codes) < 35 {
		t.Fatalf("only %d codes were found in reason.go: %v", len(codes), codes)
	}
	var listed []string
	for _, e := range All() {
		listed = append(listed, string(e.Code))
		if !strings.HasSuffix(e.Text, ".") || strings.Trim(string(e.Code), "abcdefghijklmnopqrstuvwxyz_") != "" {
			t.Errorf("%q: %q is no code with a sentence", e.Code, e.Text)
		}
	}
	slices.Sort(codes)
	slices.Sort(listed)
	if !slices.Equal(codes, listed) {
		t.Errorf("declared %v\nexplained %v", codes, listed)
	}
}

// The page for operators says the same.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range All() {
		if row := fmt.Sprintf("| `%s` | %s | %s |\n", e.Code, e.Kind, e.Text); !strings.Contains(string(page), row) {
			t.Errorf("docs/reference/reasons.md lacks the row\n%s", row)
		}
	}
	if got := strings.Count(string(page), "\n| `"); got < len(All()) {
		t.Errorf("%d rows", got)
	}
}
