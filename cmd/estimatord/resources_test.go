package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

func TestResources(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(want int, args ...string) (out, said string) {
		t.Helper()
		root := newRoot()
		var stdout, stderr bytes.Buffer
		root.SetArgs(append([]string{"resources", "--operator-socket", filepath.Join(dir, "none.sock")}, args...))
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		if code := exitCode(root.ExecuteContext(t.Context()), &stderr); code != want {
			t.Errorf("%q: exit %d, want %d: %s", args, code, want, &stderr)
		}
		return stdout.String(), stderr.String()
	}

	out, said := run(0, "--resources", "cpus:1;cpus(web):2", "--work_dir", dir)
	for _, want := range []string{"NAME", "--resources names it", "[31000-32000]", "the file system of " + dir} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if !strings.Contains(said, "not compared") {
		t.Errorf("without a daemon: %s", said)
	}

	// What is printed as JSON, the agent takes, and says what it said before.
	out, _ = run(0, "--resources", "cpus:1;cpus(web):2;mem:0", "--json")
	all, err := resources.ParseEntries(out, "*")
	if err != nil || len(all) != 5 || all[1].String() != "cpus(web):2" || all[3].String() != "mem:0" {
		t.Errorf("%v, %v of\n%s", all, err, out)
	}
	again, _ := run(0, "--resources", "file://"+file("all.json", out), "--json")
	if again != out {
		t.Errorf("read again:\n%s", again)
	}

	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"bad text":         {[]string{"--resources", "cpus=4"}, 2, "missing or extra ':'"},
		"path":             {[]string{"--resources", "/etc/r"}, 2, "write file:///etc/r"},
		"no file":          {[]string{"--resources", "file:///no/such"}, 2, "no such file"},
		"role":             {[]string{"--default_role", "a b"}, 2, "whitespace"},
		"watch what":       {[]string{"--watch"}, 2, "--check"},
		"both":             {[]string{"--check", "x", "--json"}, 2, "the file alone"},
		"check":            {[]string{"--check", file("good", "cpus:1;mem:16\n")}, 0, ""},
		"check no file":    {[]string{"--check", dir + "/none"}, 1, "no such file"},
		"check bad":        {[]string{"--check", file("bad", "[{}]")}, 1, `missing "name"`},
		"check revocable":  {[]string{"--check", file("rev", `[{"name":"cpus","type":"SCALAR","scalar":{"value":1},"revocable":{}}]`)}, 1, "revocable resources are not allowed"},
		"check too much":   {[]string{"--check", file("much", "cpus:100000")}, 1, "more than"},
		"check too much 2": {[]string{"--check", file("much2", "mem(a):1e9;mem:1e9")}, 1, "mem:2000000000 is more than"},
	} {
		if _, said := run(c.code, c.args...); !strings.Contains(said, c.says) {
			t.Errorf("%s: %q, want %q", name, said, c.says)
		}
	}
}
