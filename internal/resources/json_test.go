package resources_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/estimatord/estimatord/internal/resources"
)

func TestMilliJSON(t *testing.T) {
	for m, want := range map[resources.Milli]string{
		0: "0", 1: "0.001", 1500: "1.5", -250: "-0.25", 512000: "512",
		math.MaxInt64: "9223372036854775.807", math.MinInt64: "-9223372036854775.808",
	} {
		got, err := json.Marshal(m)
		if err != nil || string(got) != want {
			t.Errorf("Milli(%d) is %s, %v in JSON, want %s", int64(m), got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := resources.Milli(rapid.Int64().Draw(t, "m"))
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back resources.Milli
		if err := json.Unmarshal(text, &back); err != nil || back != m {
			t.Fatalf("Milli(%d) is %s, which reads back as %d, %v", int64(m), text, int64(back), err)
		}
	})
}

func TestMilliJSONRefuses(t *testing.T) {
	for _, text := range []string{`"4"`, "null", "true", "1e3", "0.0001", "1.5000", "9223372036854775.808", "[]"} {
		m := resources.Milli(7)
		if err := json.Unmarshal([]byte(text), &m); err == nil || m != 7 {
			t.Errorf("%s read as Milli(%d), %v; want an error", text, int64(m), err)
		}
	}
}

func TestQuantitiesJSON(t *testing.T) {
	for want, q := range map[string]resources.Quantities{
		`{}`:                     nil,
		`{"cpus":1.5,"mem":512}`: {{Name: "cpus", Amount: 1500}, {Name: "mem", Amount: 512000}},
	} {
		got, err := json.Marshal(q)
		if err != nil || string(got) != want {
			t.Errorf("%v is %s, %v in JSON, want %s", q, got, err, want)
		}
		back := resources.Quantities{{Name: "disk", Amount: 1}}
		if err := json.Unmarshal(got, &back); err != nil || !cmp.Equal(q, back) {
			t.Errorf("%s reads back as %v, %v", got, back, err)
		}
	}
	var q resources.Quantities
	if err := json.Unmarshal([]byte(`{"cpus":"1"}`), &q); err == nil {
		t.Errorf("an amount that is a string read as %v", q)
	}
}
