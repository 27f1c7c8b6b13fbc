package resources_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

// The rows are of the table in parse_test.go: what the agent takes that nobody can
// be offered as revocable. want is the text of the entries, fails a part of the
// error.
func TestParseEntries(t *testing.T) {
	for _, r := range []struct{ name, text, role, want, fails string }{
		{name: "01", text: "cpus:45.55;ports:[10000-20000, 30000-50000];disks:{sda1}", want: "cpus:45.55;disks:{sda1};ports:[10000-20000,30000-50000]"},
		{name: "14", text: "cpus(role1):2;mem(role1):3", want: "cpus(role1):2;mem(role1):3"},
		{name: "15", text: "cpus:2.5;ports(role2):[0-100]", role: "role1", want: "cpus(role1):2.5;ports(role2):[0-100]"},
		{name: "17", text: "cpus( role1 ):2", want: "cpus(role1):2"},
		{name: "18", text: "cpus(a/b):2", want: "cpus(a/b):2"},
		{name: "20", text: "cpus(a b):2", fails: "whitespace"},
		{name: "21", text: "cpus(a)junk:2", want: "cpus(a):2"},
		{name: "24", text: "cpus:2;cpus:3", want: "cpus:5"},
		{name: "25", text: "cpus:2;cpus(r):3", want: "cpus:2;cpus(r):3"},
		{name: "26", text: "foo(role1):1;foo(role2):[0-1]", fails: "is of type SCALAR before"},
		{name: "28", text: "cpus:0;gpus:0", want: "cpus:0;gpus:0"},
		{name: "45", text: "ports:[1-2,3-4]", want: "ports:[1-4]"},
		{name: "46", text: "ports:[4-6, 6-8, 5-9, 3-4, 2-5, 4-6, 1-1, 10-10, 4-6]", want: "ports:[1-10]"},
		{name: "47", text: "ports:[7-8, 1-4, [8-10], 4-5]", want: "ports:[1-5,7-10]"},
		{name: "48", text: "ports:[10-5]", fails: "begins after its end"},
		{name: "49", text: "ports:[1]", fails: "expecting ranges"},
		{name: "50", text: "ports:[]", want: "ports:[]"},
		{name: "51", text: "ports:[1-2]]", fails: "mismatched brackets"},
		{name: "52", text: "ports:[1-2b]", fails: "whole numbers"},
		{name: "53", text: "ports:[0x10-0x1F]", want: "ports:[16-31]"},
		{name: "56", text: "disks:{sda1, sda2}", want: "disks:{sda1,sda2}"},
		{name: "57", text: "disks:{}", want: "disks:{}"},
		{name: "58", text: "disks:{a,a}", fails: "twice"},
		{name: "62 role", text: scalarJSON(`,"role":"role1"`), want: "cpus(role1):4"},
		{name: "62 reservations", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"role1"}]`), role: "other", want: "cpus(role1):4"},
		{name: "68", text: `[{"name":"foo","type":"SCALAR","scalar":{"value":1}},{"name":"foo","type":"RANGES","ranges":{"range":[{"begin":0,"end":1}]}}]`, fails: "is of type SCALAR before"},
		{name: "69", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":4},"disk":{"persistence":{"id":"v"}}}]`, fails: "persistent volumes"},
		{name: "70", text: scalarJSON(`,"reservations":[{"type":"DYNAMIC","role":"role1"}]`), fails: "dynamic reservations"},
		{name: "JSON ranges and set", text: `[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":"3","end":4},{"begin":1,"end":2}]}},{"name":"d","type":"SET","set":{"item":["a","b"]}}]`, want: "d:{a,b};ports:[1-4]"},
		{name: "80", text: "[31000-32000]", fails: "missing or extra ':'"},
		{name: "the last port", text: "ports:[18446744073709551614-18446744073709551615];ports:[0-18446744073709551615]", want: "ports:[0-18446744073709551615]"},
	} {
		if r.role == "" {
			r.role = "*"
		}
		all, err := resources.ParseEntries(r.text, r.role)
		if r.fails != "" {
			if err == nil || !strings.Contains(err.Error(), r.fails) {
				t.Errorf("%s: %v, want %q", r.name, err, r.fails)
			}
			continue
		}
		if got := text(all); err != nil || got != r.want {
			t.Errorf("%s: %s, %v, want %s", r.name, got, err, r.want)
		}
		written, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := resources.ParseEntries(string(written), "*"); err != nil || text(again) != r.want {
			t.Errorf("%s: written as %s, read as %s, %v", r.name, written, text(again), err)
		}
	}
}

func text(all []resources.Entry) string {
	var parts []string
	for i := range all {
		parts = append(parts, all[i].String())
	}
	return strings.Join(parts, ";")
}

// Two mounts are two disks, whatever their name.
func TestDisksStayApart(t *testing.T) {
	const mounts = `[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}},` +
		`{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/b"}}}}]`
	all, err := resources.ParseEntries(mounts, "*")
	if err != nil || len(all) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	written, err := json.Marshal(all)
	if err != nil || !strings.Contains(string(written), `"root":"/b"`) {
		t.Errorf("%s, %v", written, err)
	}
}
