package resources_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/estimatord/estimatord/internal/resources"
)

func scalar(name string, milli resources.Milli) resources.Resource {
	return resources.Resource{Name: name, Kind: resources.Scalar, Amount: milli}
}

func ranges(name string, bounds ...uint64) resources.Resource {
	r := resources.Resource{Name: name, Kind: resources.Ranges}
	for i := 0; i < len(bounds); i += 2 {
		r.Ranges = append(r.Ranges, resources.Range{Begin: bounds[i], End: bounds[i+1]})
	}
	return r
}

func set(name string, items ...string) resources.Resource {
	return resources.Resource{Name: name, Kind: resources.Set, Set: items}
}

func reserved(role string, r resources.Resource) resources.Resource {
	r.Reservation = &resources.Reservation{Role: role}
	return r
}

// scalarJSON is a JSON array of one cpus scalar with the extra fields.
func scalarJSON(extra string) string {
	return `[{"name":"cpus","type":"SCALAR","scalar":{"value":4}` + extra + `}]`
}

// The rows are what a real agent does with its --resources, by number: what
// the sources of Mesos assert in their tests, what follows from its parser, and
// what was measured of boost::lexical_cast. want nil and fails empty: accepted,
// and nothing is left.
func TestParse(t *testing.T) {
	type row struct {
		name  string
		text  string
		role  string // "*" when empty
		want  resources.Resources
		fails string // what the error must say
	}
	cpus := func(m resources.Milli) resources.Resources { return resources.Resources{scalar("cpus", m)} }
	rows := []row{
		{name: "01 scalar, ranges, set", text: "cpus:45.55;ports:[10000-20000, 30000-50000];disks:{sda1}", want: resources.Resources{scalar("cpus", 45550), ranges("ports", 10000, 20000, 30000, 50000), set("disks", "sda1")}},
		{name: "02 two scalars", text: "cpus:4;mem:1024", want: resources.Resources{scalar("cpus", 4000), scalar("mem", 1024000)}},
		{name: "03 empty", text: ""},
		{name: "04 empty entries", text: ";;cpus:1;;", want: cpus(1000)},
		{name: "05 spaces around", text: "cpus : 4 ; mem : 1024", want: resources.Resources{scalar("cpus", 4000), scalar("mem", 1024000)}},
		{name: "06 space in a number", text: "cpus:1 2", want: cpus(12000)},
		{name: "07 two colons", text: "cpus::4", want: cpus(4000)},
		{name: "08 extra part", text: "cpus:4:5", fails: `missing or extra ':' in "cpus:4:5"`},
		{name: "09 name alone", text: "cpus", fails: "missing or extra ':'"},
		{name: "09 name and role alone", text: "cpus(role1)", fails: "missing or extra ':'"},
		{name: "10 no value", text: "cpus:", fails: "missing or extra ':'"},
		{name: "11 no name", text: ":4", fails: "missing or extra ':'"},
		{name: "12 blank name", text: " :4", fails: "empty resource name"},
		{name: "13 blank value", text: "cpus: ", fails: "non-empty value"},
		{name: "14 reserved", text: "cpus(role1):2;mem(role1):3", want: resources.Resources{reserved("role1", scalar("cpus", 2000)), reserved("role1", scalar("mem", 3000))}},
		{name: "15 default role", text: "cpus:2.5;ports(role2):[0-100]", role: "role1", want: resources.Resources{reserved("role1", scalar("cpus", 2500)), reserved("role2", ranges("ports", 0, 100))}},
		{name: "16 role star", text: "cpus(*):2", role: "role1", want: cpus(2000)},
		{name: "17 spaces around the role", text: "cpus( role1 ):2", want: resources.Resources{reserved("role1", scalar("cpus", 2000))}},
		{name: "18 hierarchical role", text: "cpus(a/b):2", want: resources.Resources{reserved("a/b", scalar("cpus", 2000))}},
		{name: "19 empty role", text: "cpus():2", fails: "empty role"},
		{name: "20 role with a space", text: "cpus(a b):2", fails: "whitespace"},
		{name: "20 role with a dash first", text: "cpus(-a):2", fails: "dash"},
		{name: "20 role with a slash first", text: "cpus(/a):2", fails: "slash"},
		{name: "20 role with a slash last", text: "cpus(a/):2", fails: "slash"},
		{name: "20 role with two slashes", text: "cpus(a//b):2", fails: "slash"},
		{name: "20 role with a star component", text: "cpus(a/*):2", fails: "component"},
		{name: "21 junk after the role", text: "cpus(a)junk:2", want: resources.Resources{reserved("a", scalar("cpus", 2000))}},
		{name: "22 parenthesis not closed", text: "cpus(role1:1", fails: "mismatched parentheses"},
		{name: "23 parentheses reversed", text: "cpus)(role1:1", fails: "mismatched parentheses"},
		{name: "24 merged", text: "cpus:2;cpus:3", want: cpus(5000)},
		{name: "25 not merged across roles", text: "cpus:2;cpus(r):3", want: resources.Resources{scalar("cpus", 2000), reserved("r", scalar("cpus", 3000))}},
		{name: "26 two types of one name", text: "foo(role1):1;foo(role2):[0-1]", fails: `"foo" is given both as SCALAR and as RANGES`},
		{name: "27 case matters", text: "CPUS:4", want: resources.Resources{scalar("CPUS", 4000)}},
		{name: "28 zero cpus", text: "cpus:0"},
		{name: "28 zero gpus", text: "gpus:0"},
		{name: "29 rounds to zero", text: "cpus:0.00001", fails: "rounds to zero"},
		{name: "30 half a thousandth", text: "cpus:0.0005", want: cpus(1)},
		{name: "31 rounds down", text: "cpus:1.5011", want: cpus(1501)},
		{name: "32 rounds up", text: "cpus:1.5015", want: cpus(1502)},
		{name: "33 negative", text: "cpus:-1", fails: `"-1" is no number`},
		{name: "34 negative zero", text: "cpus:-0"},
		{name: "35 nan", text: "cpus:nan", fails: "no number"},
		{name: "35 inf", text: "cpus:inf", fails: "no number"},
		{name: "35 -inf", text: "cpus:-inf", fails: "no number"},
		{name: "35 infinity", text: "cpus:infinity", fails: "no number"},
		{name: "35 NaN", text: "cpus:NaN", fails: "no number"},
		{name: "36 subnormal", text: "cpus:7.63918e-313", fails: "subnormal"},
		{name: "37 underflow", text: "cpus:1e-400"},
		{name: "38 overflow", text: "cpus:1e400", fails: "no number"},
		{name: "39 out of the fixed point", text: "cpus:1e300", fails: "out of the range"},
		{name: "40 exponent", text: "cpus:1e3", want: cpus(1000000)},
		{name: "40 point first", text: "cpus:.5", want: cpus(500)},
		{name: "40 point last", text: "cpus:5.", want: cpus(5000)},
		{name: "40 plus", text: "cpus:+4", want: cpus(4000)},
		{name: "40 leading zero", text: "cpus:01", want: cpus(1000)},
		{name: "41 hexadecimal scalar", text: "cpus:0x10", fails: "no number"},
		{name: "42 decimal comma", text: "cpus:4,5", fails: "no number"},
		{name: "42 unit of cpus", text: "cpus:4cores", fails: "no number"},
		{name: "42 unit of mem", text: "mem:1GB", fails: `"1GB" is no number`},
		{name: "43 comma between entries", text: "cpus:4,mem:1024", fails: "missing or extra ':'"},
		{name: "44 tab in a value", text: "cpus:\t4", fails: "no number"},
		{name: "45 adjacent ranges", text: "ports:[1-2,3-4]", want: resources.Resources{ranges("ports", 1, 4)}},
		{name: "46 overlapping ranges", text: "ports:[4-6, 6-8, 5-9, 3-4, 2-5, 4-6, 1-1, 10-10, 4-6]", want: resources.Resources{ranges("ports", 1, 10)}},
		{name: "47 inner brackets", text: "ports:[7-8, 1-4, [8-10], 4-5]", want: resources.Resources{ranges("ports", 1, 5, 7, 10)}},
		{name: "48 inverted range", text: "ports:[10-5]", fails: "begins after its end"},
		{name: "49 half a range", text: "ports:[1]", fails: "one or more ranges"},
		{name: "50 no range", text: "ports:[]"},
		{name: "51 mismatched square brackets", text: "ports:[1-2]]", fails: "mismatched brackets"},
		{name: "52 letter in a range", text: "ports:[1-2b]", fails: `not "2b"`},
		{name: "52 letters for a range", text: "ports:[a-b]", fails: `not "a"`},
		{name: "53 hexadecimal range", text: "ports:[0x10-0x1F]", want: resources.Resources{ranges("ports", 16, 31)}},
		{name: "54 range without brackets", text: "ports:1-2", fails: "no number"},
		{name: "55 text before a range", text: "ports:x[1-2]", fails: "unexpected '['"},
		{name: "56 set", text: "disks:{sda1, sda2}", want: resources.Resources{set("disks", "sda1", "sda2")}},
		{name: "57 empty set", text: "disks:{}"},
		{name: "58 duplicate in a set", text: "disks:{a,a}", fails: `duplicated element "a"`},
		{name: "59 mismatched braces", text: "disks:{aa,b}}", fails: "mismatched brackets"},
		{name: "60 REV in the name", text: "cpus{REV}:1", want: resources.Resources{scalar("cpus{REV}", 1000)}},
		{name: "61 JSON", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":45.55}}]`, want: cpus(45550)},
		{name: "62 JSON role", text: scalarJSON(`,"role":"role1"`), want: resources.Resources{reserved("role1", scalar("cpus", 4000))}},
		{name: "62 JSON reservations", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"role1"}]`), role: "role2", want: resources.Resources{reserved("role1", scalar("cpus", 4000))}},
		{name: "63 JSON object", text: `{"name":"cpus","type":"SCALAR","scalar":{"value":4}}`, fails: "missing or extra ':'"},
		{name: "64 JSON and more", text: scalarJSON("") + "x", fails: "missing or extra ':'"},
		{name: "65 JSON without a comma", text: `[{"name":"cpus" "type":"SCALAR","scalar":{"value":4}}]`, fails: "missing or extra ':'"},
		{name: "65 JSON with a wrong bracket", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":4]}]`, fails: "missing or extra ':'"},
		{name: "65 JSON array of arrays", text: `[[{"name":"cpus","type":"SCALAR","scalar":{"value":4}}]]`, fails: "expecting an object"},
		{name: "66 JSON without type", text: `[{"name":"cpus","scalar":{"value":4}}]`, fails: `missing "type"`},
		{name: "66 JSON with an unknown type", text: `[{"name":"cpus","type":"FOO","scalar":{"value":4}}]`, fails: `unsupported resource type "FOO"`},
		{name: "66 JSON with an empty name", text: `[{"name":"","type":"SCALAR","scalar":{"value":4}}]`, fails: "empty resource name"},
		{name: "67 JSON negative", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]`, fails: `"-1"`},
		{name: "68 JSON two types of one name", text: `[{"name":"foo","type":"SCALAR","scalar":{"value":1}},{"name":"foo","type":"RANGES","ranges":{"range":[{"begin":0,"end":1}]}}]`, fails: "is given both as"},
		{name: "69 JSON persistent volume", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":4},"role":"r","disk":{"persistence":{"id":"v"},"volume":{"container_path":"p","mode":"RW"}}}]`, fails: "persistent volumes"},
		{name: "70 JSON dynamic reservation", text: scalarJSON(`,"role":"role1","reservation":{"principal":"p"}`), fails: "dynamic reservations"},
		{name: "70 JSON dynamic reservations", text: scalarJSON(`,"reservations":[{"type":"DYNAMIC","role":"role1"}]`), fails: "dynamic reservations"},
		{name: "71 JSON revocable", text: scalarJSON(`,"revocable":{}`), fails: "revocable"},
		{name: "72 JSON scalar without a value", text: `[{"name":"cpus","type":"SCALAR"}]`, fails: "do not go together"},
		{name: "72 JSON scalar with ranges", text: scalarJSON(`,"ranges":{"range":[]}`), fails: "do not go together"},
		{name: "73 JSON TEXT", text: `[{"name":"cpus","type":"TEXT"}]`, fails: "unsupported resource type"},
		{name: "74 JSON unknown keys", text: scalarJSON(`,"colour":"blue","Role":"r"`), want: cpus(4000)},
		{name: "75 JSON number as a string", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":"4"}}]`, want: cpus(4000)},
		{name: "76 JSON Infinity", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":"Infinity"}}]`, fails: `"Infinity"`},
		{name: "77 JSON star with a reservation", text: scalarJSON(`,"role":"*","reservation":{"principal":"p"}`), fails: `role "*" cannot have a reservation`},
		{name: "78 JSON star", text: scalarJSON(`,"role":"*"`), role: "role1", want: cpus(4000)},
		{name: "79 JSON static refinement", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"a"},{"type":"STATIC","role":"a/b"}]`), fails: "must be DYNAMIC"},
		{name: "80 range alone", text: "[31000-32000]", fails: "missing or extra ':'"},

		// Beyond the table: what the double in between makes of decimal halves.
		// 1.0005 is stored as 1.000499999999999989..., whose product with 1000
		// rounds to 1000.5 in doubles.
		{name: "half whose product rounds up", text: "cpus:1.0005", want: cpus(1001)},
		{name: "just below a half", text: "cpus:1.00049999", want: cpus(1000)},
		{name: "half whose product stays below", text: "cpus:0.5005", want: cpus(500)},
		{name: "last below the overflow", text: "cpus:9223372036854774", want: cpus(9223372036854773760)},
		{name: "first above the overflow", text: "cpus:9223372036854776", fails: "out of the range"},
		{name: "sum above the overflow", text: "cpus:9e15;cpus:9e15", fails: "add up"},
		{name: "exponent without digits", text: "cpus:1e", fails: "no number"},
		{name: "two signs", text: "cpus:+-1", fails: "no number"},
		{name: "point alone", text: "cpus:.", fails: "no number"},
		{name: "underscore", text: "cpus:1_000", fails: "no number"},
		{name: "inverted range swallowed by another", text: "ports:[10-5,1-20]", want: resources.Resources{ranges("ports", 1, 20)}},
		{name: "range up to the largest", text: "ports:[5-18446744073709551615]", want: resources.Resources{ranges("ports", 5, 18446744073709551615)}},
		{name: "range beyond the largest", text: "ports:[5-18446744073709551616]", fails: "whole number"},
		{name: "hexadecimal without digits", text: "ports:[0x-0x1]", fails: "whole number"},
		{name: "empty default role", text: "cpus:1", role: "-", fails: "dash"},
		{name: "two types of which one is empty", text: "foo:0;foo:[0-1]", want: resources.Resources{ranges("foo", 0, 1)}},
		{name: "sets merge", text: "disks:{a,b};disks:{b,c}", want: resources.Resources{set("disks", "a", "b", "c")}},
		{name: "ranges merge", text: "ports:[1-2];ports:[3-4]", want: resources.Resources{ranges("ports", 1, 4)}},
		{name: "JSON overlapping ranges", text: `[{"name":"ports","type":"RANGES","ranges":{"range":[{"begin":1,"end":5},{"begin":5,"end":9}]}}]`, fails: "overlap"},
		{name: "JSON null", text: scalarJSON(`,"role":null`), fails: `"role" is null`},
		{name: "JSON role of the wrong type", text: scalarJSON(`,"role":7`), fails: `"role" must be a string, not 7`},
		{name: "JSON mounts stay apart", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}},{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}}]`, want: resources.Resources{mount("/a"), mount("/a")}},
		{name: "JSON empty array", text: `[]`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			role := r.role
			if role == "" {
				role = "*"
			}
			got, err := resources.Parse(r.text, role)
			if r.fails != "" {
				if err == nil {
					t.Fatalf("Parse(%q) = %v, want an error with %q", r.text, got, r.fails)
				}
				if !errors.Is(err, resources.ErrSyntax) || !strings.Contains(err.Error(), r.fails) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("Parse(%q): error %q, want one line of class ErrSyntax with %q", r.text, err, r.fails)
				}
				return
			}
			if err != nil {
				t.Fatalf("Parse(%q): %v", r.text, err)
			}
			if diff := cmp.Diff(r.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Parse(%q) (-want +got):\n%s", r.text, diff)
			}
		})
	}
}

func mount(root string) resources.Resource {
	r := scalar("disk", 1000)
	r.Disk = &resources.DiskSource{Type: "MOUNT", Root: root}
	return r
}

func TestString(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"scalars", "cpus:1.50;mem:512", "cpus:1.5; mem:512"},
		{"ranges and set", "ports:[5-9,1-2];disks:{b,a}", "ports:[1-2, 5-9]; disks:{b, a}"},
		{"reserved", "cpus(web):2", "cpus(reservations: [(STATIC,web)]):2"},
		{
			"reserved with principal and labels",
			scalarJSON(`,"reservations":[{"type":"STATIC","role":"web","principal":"ops","labels":{"labels":[{"key":"k","value":"v"},{"key":"x"}]}}]`),
			"cpus(reservations: [(STATIC,web,ops,{k: v, x})]):4",
		},
		{"allocated", scalarJSON(`,"allocation_info":{"role":"r"}`), "cpus(allocated: r):4"},
		{
			"disk source",
			`[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}}]`,
			"disk[MOUNT:/a]:1",
		},
		{
			"volume of a plugin",
			`[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"RAW","vendor":"v","id":"i","profile":"p"}}}]`,
			"disk[RAW(v,i,p)]:1",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rs, err := resources.Parse(tc.text, "*")
			if err != nil {
				t.Fatal(err)
			}
			if got := rs.String(); got != tc.want {
				t.Errorf("String() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestQuantities(t *testing.T) {
	for _, tc := range []struct{ name, text, want, fails string }{
		{name: "plain", text: "mem:512;cpus:1.5", want: "cpus:1.5;mem:512"},
		{name: "nothing", text: "", want: ""},
		{name: "custom", text: "licences:3", want: "licences:3"},
		{name: "ranges", text: "cpus:1;ports:[1-2]", fails: `"ports:[1-2]": it is of type RANGES`},
		{name: "set", text: "disks:{a}", fails: "it is of type SET"},
		{name: "reserved", text: "cpus(web):1", fails: `reserved to role "web"`},
		{name: "gpus", text: "gpus:1", fails: `"gpus:1": gpus would hide the agent`},
		{name: "allocated", text: scalarJSON(`,"allocation_info":{"role":"r"}`), fails: `allocated to role "r"`},
		{name: "of a provider", text: scalarJSON(`,"provider_id":{"value":"p"}`), fails: `resource provider "p"`},
		{name: "disk source", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"PATH"}}}]`, fails: "disk source"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rs, err := resources.Parse(tc.text, "*")
			if err != nil {
				t.Fatal(err)
			}
			q, err := rs.Quantities()
			if tc.fails != "" {
				if !errors.Is(err, resources.ErrNotOfferable) || !strings.Contains(err.Error(), tc.fails) {
					t.Fatalf("error %v, want ErrNotOfferable with %q", err, tc.fails)
				}
				return
			}
			if err != nil || q.String() != tc.want {
				t.Errorf("Quantities() = %q, %v, want %q", q, err, tc.want)
			}
		})
	}
}
