package resources_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

// scalarJSON is a JSON array of one cpus scalar with the extra fields.
func scalarJSON(extra string) string {
	return `[{"name":"cpus","type":"SCALAR","scalar":{"value":4}` + extra + `}]`
}

// The rows are what a real agent does with its --resources, by number: what
// the sources of Mesos assert in their tests, what follows from its parser, and
// what was measured of boost::lexical_cast. want and fails empty: accepted,
// and nothing is left. What the agent takes and Parse refuses is said so.
func TestParse(t *testing.T) {
	type row struct {
		name  string
		text  string
		want  string
		fails string // what the error must say
	}
	rows := []row{
		{name: "01 scalar, ranges, set", text: "cpus:45.55;ports:[10000-20000, 30000-50000];disks:{sda1}", fails: "it is of type RANGES"},
		{name: "02 two scalars", text: "cpus:4;mem:1024", want: "cpus:4;mem:1024"},
		{name: "03 empty", text: ""},
		{name: "04 empty entries", text: ";;cpus:1;;", want: "cpus:1"},
		{name: "05 spaces around", text: "cpus : 4 ; mem : 1024", want: "cpus:4;mem:1024"},
		{name: "06 space in a number", text: "cpus:1 2", want: "cpus:12"},
		{name: "07 two colons", text: "cpus::4", want: "cpus:4"},
		{name: "08 extra part", text: "cpus:4:5", fails: `"cpus:4:5": missing or extra ':'`},
		{name: "09 name alone", text: "cpus", fails: "missing or extra ':'"},
		{name: "09 name and role alone", text: "cpus(role1)", fails: "missing or extra ':'"},
		{name: "10 no value", text: "cpus:", fails: "missing or extra ':'"},
		{name: "11 no name", text: ":4", fails: "missing or extra ':'"},
		{name: "12 blank name", text: " :4", fails: "empty resource name"},
		{name: "13 blank value", text: "cpus: ", fails: "non-empty value"},
		{name: "14 reserved", text: "cpus(role1):2;mem(role1):3", fails: "it is reserved to a role"},
		{name: "16 role star", text: "cpus(*):2", want: "cpus:2"},
		{name: "17 spaces around the role", text: "cpus( role1 ):2", fails: "it is reserved to a role"},
		{name: "18 hierarchical role", text: "cpus(a/b):2", fails: "it is reserved to a role"},
		{name: "19 empty role", text: "cpus():2", fails: "role is empty"},
		{name: "20 role with a space", text: "cpus(a b):2", fails: "whitespace"},
		{name: "20 role with a dash first", text: "cpus(-a):2", fails: "dash"},
		{name: "20 role with a slash first", text: "cpus(/a):2", fails: "slash"},
		{name: "20 role with a slash last", text: "cpus(a/):2", fails: "slash"},
		{name: "20 role with two slashes", text: "cpus(a//b):2", fails: "slash"},
		{name: "20 role with a star component", text: "cpus(a/*):2", fails: "component"},
		{name: "21 junk after the role", text: "cpus(a)junk:2", fails: "it is reserved to a role"},
		{name: "22 parenthesis not closed", text: "cpus(role1:1", fails: "mismatched parentheses"},
		{name: "23 parentheses reversed", text: "cpus)(role1:1", fails: "mismatched parentheses"},
		{name: "24 merged", text: "cpus:2;cpus:3", want: "cpus:5"},
		{name: "25 not merged across roles", text: "cpus:2;cpus(r):3", fails: "it is reserved to a role"},
		{name: "26 two types of one name", text: "foo(role1):1;foo(role2):[0-1]", fails: "reserved to a role"},
		{name: "27 case matters", text: "CPUS:4", want: "CPUS:4"},
		{name: "28 zero cpus", text: "cpus:0"},
		{name: "28 zero gpus", text: "gpus:0"},
		{name: "29 rounds to zero", text: "cpus:0.00001", fails: "rounds to zero"},
		{name: "30 half a thousandth", text: "cpus:0.0005", want: "cpus:0.001"},
		{name: "31 rounds down", text: "cpus:1.5011", want: "cpus:1.501"},
		{name: "32 rounds up", text: "cpus:1.5015", want: "cpus:1.502"},
		{name: "33 negative", text: "cpus:-1", fails: "a decimal number"},
		{name: "34 negative zero", text: "cpus:-0"},
		{name: "35 nan", text: "cpus:nan", fails: "a decimal number"},
		{name: "35 inf", text: "cpus:inf", fails: "a decimal number"},
		{name: "35 -inf", text: "cpus:-inf", fails: "a decimal number"},
		{name: "35 infinity", text: "cpus:infinity", fails: "a decimal number"},
		{name: "35 NaN", text: "cpus:NaN", fails: "a decimal number"},
		{name: "36 subnormal", text: "cpus:7.63918e-313", fails: "rounds to zero"},
		{name: "37 underflow", text: "cpus:1e-400"},
		{name: "38 overflow", text: "cpus:1e400", fails: "a decimal number"},
		{name: "39 out of the fixed point", text: "cpus:1e300", fails: "out of the range"},
		{name: "40 exponent", text: "cpus:1e3", want: "cpus:1000"},
		{name: "40 point first", text: "cpus:.5", want: "cpus:0.5"},
		{name: "40 point last", text: "cpus:5.", want: "cpus:5"},
		{name: "40 plus", text: "cpus:+4", want: "cpus:4"},
		{name: "40 leading zero", text: "cpus:01", want: "cpus:1"},
		{name: "41 hexadecimal scalar", text: "cpus:0x10", fails: "a decimal number"},
		{name: "42 decimal comma", text: "cpus:4,5", fails: "a decimal number"},
		{name: "42 unit of cpus", text: "cpus:4cores", fails: "a decimal number"},
		{name: "42 unit of mem", text: "mem:1GB", fails: "a decimal number"},
		{name: "43 comma between entries", text: "cpus:4,mem:1024", fails: "missing or extra ':'"},
		{name: "44 tab in a value", text: "cpus:\t4", fails: "a decimal number"},
		{name: "45 adjacent ranges", text: "ports:[1-2,3-4]", fails: "it is of type RANGES"},
		{name: "50 no range", text: "ports:[]", fails: "it is of type RANGES"},
		{name: "54 range without brackets", text: "ports:1-2", fails: "a decimal number"},
		{name: "55 text before a range", text: "ports:x[1-2]", fails: "a decimal number"},
		{name: "56 set", text: "disks:{sda1, sda2}", fails: "it is of type SET"},
		{name: "57 empty set", text: "disks:{}", fails: "it is of type SET"},
		{name: "59 mismatched braces", text: "disks:{aa,b}}", fails: "mismatched brackets"},
		{name: "60 REV in the name", text: "cpus{REV}:1", want: "cpus{REV}:1"},
		{name: "61 JSON", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":45.55}}]`, want: "cpus:45.55"},
		{name: "62 JSON role", text: scalarJSON(`,"role":"role1"`), fails: "it is reserved to a role"},
		{name: "62 JSON reservations", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"role1"}]`), fails: "it is reserved to a role"},
		{name: "63 JSON object", text: `{"name":"cpus","type":"SCALAR","scalar":{"value":4}}`, fails: "missing or extra ':'"},
		{name: "64 JSON and more", text: scalarJSON("") + "x", fails: "missing or extra ':'"},
		{name: "65 JSON without a comma", text: `[{"name":"cpus" "type":"SCALAR","scalar":{"value":4}}]`, fails: "missing or extra ':'"},
		{name: "65 JSON with a wrong bracket", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":4]}]`, fails: "missing or extra ':'"},
		{name: "65 JSON array of arrays", text: `[[{"name":"cpus","type":"SCALAR","scalar":{"value":4}}]]`, fails: "expecting an object"},
		{name: "66 JSON without type", text: `[{"name":"cpus","scalar":{"value":4}}]`, fails: `missing "type"`},
		{name: "66 JSON with an unknown type", text: `[{"name":"cpus","type":"FOO","scalar":{"value":4}}]`, fails: "unsupported resource type"},
		{name: "66 JSON with an empty name", text: `[{"name":"","type":"SCALAR","scalar":{"value":4}}]`, fails: "empty resource name"},
		{name: "67 JSON negative", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":-1}}]`, fails: "a decimal number"},
		{name: "68 JSON two types of one name", text: `[{"name":"foo","type":"SCALAR","scalar":{"value":1}},{"name":"foo","type":"RANGES","ranges":{"range":[{"begin":0,"end":1}]}}]`, fails: "it is of type RANGES"},
		{name: "69 JSON persistent volume", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":4},"role":"r","disk":{"persistence":{"id":"v"},"volume":{"container_path":"p","mode":"RW"}}}]`, fails: "persistent volumes"},
		{name: "70 JSON dynamic reservation", text: scalarJSON(`,"role":"role1","reservation":{"principal":"p"}`), fails: "dynamic reservations"},
		{name: "70 JSON dynamic reservations", text: scalarJSON(`,"reservations":[{"type":"DYNAMIC","role":"role1"}]`), fails: "dynamic reservations"},
		{name: "71 JSON revocable", text: scalarJSON(`,"revocable":{}`), fails: "revocable"},
		{name: "72 JSON scalar without a value", text: `[{"name":"cpus","type":"SCALAR"}]`, fails: "do not go together"},
		{name: "72 JSON scalar with ranges", text: scalarJSON(`,"ranges":{"range":[]}`), fails: "do not go together"},
		{name: "73 JSON TEXT", text: `[{"name":"cpus","type":"TEXT"}]`, fails: "unsupported resource type"},
		{name: "74 JSON unknown keys", text: scalarJSON(`,"colour":"blue","Role":"r"`), want: "cpus:4"},
		{name: "75 JSON number as a string", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":"4"}}]`, want: "cpus:4"},
		{name: "76 JSON Infinity", text: `[{"name":"cpus","type":"SCALAR","scalar":{"value":"Infinity"}}]`, fails: `"value" has a value of the wrong type`},
		{name: "77 JSON star with a reservation", text: scalarJSON(`,"role":"*","reservation":{"principal":"p"}`), fails: "dynamic reservations"},
		{name: "78 JSON star", text: scalarJSON(`,"role":"*"`), want: "cpus:4"},
		{name: "79 JSON static refinement", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"a"},{"type":"STATIC","role":"a/b"}]`), fails: "must be DYNAMIC"},
		{name: "80 range alone", text: "[31000-32000]", fails: "missing or extra ':'"},

		// Beyond the table: what the double in between makes of decimal halves.
		// 1.0005 is stored as 1.000499999999999989..., whose product with 1000
		// rounds to 1000.5 in doubles.
		{name: "half whose product rounds up", text: "cpus:1.0005", want: "cpus:1.001"},
		{name: "just below a half", text: "cpus:1.00049999", want: "cpus:1"},
		{name: "half whose product stays below", text: "cpus:0.5005", want: "cpus:0.5"},
		{name: "last below the overflow", text: "cpus:9223372036854774", want: "cpus:9223372036854773.76"},
		{name: "first above the overflow", text: "cpus:9223372036854776", fails: "out of the range"},
		{name: "sum above the overflow", text: "cpus:9e15;cpus:9e15", fails: "add up"},
		{name: "exponent without digits", text: "cpus:1e", fails: "a decimal number"},
		{name: "two signs", text: "cpus:+-1", fails: "a decimal number"},
		{name: "point alone", text: "cpus:.", fails: "a decimal number"},
		{name: "underscore", text: "cpus:1_000", fails: "a decimal number"},
		{name: "JSON null", text: scalarJSON(`,"role":null`), fails: `"role" has a value of the wrong type`},
		{name: "JSON role of the wrong type", text: scalarJSON(`,"role":7`), fails: `"role" has a value of the wrong type`},
		{name: "JSON mounts stay apart", text: `[{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}},{"name":"disk","type":"SCALAR","scalar":{"value":1},"disk":{"source":{"type":"MOUNT","mount":{"root":"/a"}}}}]`, fails: "disk source or volume"},
		{name: "custom", text: "licences:3", want: "licences:3"},
		{name: "gpus", text: "gpus:1", fails: "gpus would hide the agent"},
		{name: "JSON allocated", text: scalarJSON(`,"allocation_info":{"role":"r"}`), fails: "allocated to a role"},
		{name: "JSON of a provider", text: scalarJSON(`,"provider_id":{"value":"p"}`), fails: "resource provider"},
		{name: "JSON reservation to nobody", text: scalarJSON(`,"reservations":[{"type":"STATIC","role":"*"}]`), fails: "cannot have a reservation"},
		{name: "JSON empty role", text: scalarJSON(`,"role":""`), fails: "role is empty"},
		{name: "a long entry is cut", text: strings.Repeat("x", 1000), fails: `xxx"...: missing`},
		{name: "control characters are escaped", text: "cpus:\x1b[2J", fails: `"cpus:\x1b[2J"`},
		{name: "the second entry", text: "cpus:1;mem:x", fails: `"mem:x": expecting`},
		{name: "JSON empty object", text: `[{}]`, fails: `missing "name"`},
		{name: "JSON empty array", text: `[]`},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got, err := resources.Parse(r.text)
			if r.fails != "" {
				if err == nil {
					t.Fatalf("Parse(%q) = %v, want an error with %q", r.text, got, r.fails)
				}
				if !errors.Is(err, resources.ErrInvalid) || !strings.Contains(err.Error(), r.fails) || strings.Contains(err.Error(), "\n") {
					t.Fatalf("Parse(%q): error %q, want one line of class ErrInvalid with %q", r.text, err, r.fails)
				}
				return
			}
			if err != nil || got.String() != r.want {
				t.Errorf("Parse(%q) = %q, %v, want %q", r.text, got, err, r.want)
			}
		})
	}
}

func TestParseSaysWhichEntry(t *testing.T) {
	_, err := resources.Parse("cpus:1;mem:secret")
	var e *resources.Error
	if !errors.As(err, &e) || e.Entry != 2 || e.Text != "mem:secret" || strings.Contains(e.Reason, "secret") {
		t.Errorf("%+v, want entry 2 and a reason that does not repeat it", e)
	}
}
