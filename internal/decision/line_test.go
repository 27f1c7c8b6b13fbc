package decision_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/signal"
)

func same(t failer, want, got *decision.Line) {
	if !reflect.DeepEqual(want, got) {
		t.Fatal("line (-made +read):\n" + cmp.Diff(want, got))
	}
}

// alike holds Append to encoding/json.
func alike(t failer, l *decision.Line, got []byte) {
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		t.Fatal(err)
	}
	if want.String() != string(got) {
		t.Fatal(fmt.Sprintf("written  %s\nexpected %s", got, want.String()))
	}
}

// fill sets every field of a Line to something that is not zero.
func fill(v reflect.Value, next *int, text func(int) string) {
	*next++
	if of, ok := v.Addr().Interface().(*decision.Value); ok {
		*of = decision.Value{V: float64(*next) + .1, Why: snapshot.Present}
		if *next%3 == 0 {
			*of = decision.Value{Why: snapshot.NoFile}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next, text)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), next, text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), next, text)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(text(*next))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next)*1_000_003 - 20_000_000)
	case reflect.Uint64:
		v.SetUint(uint64(*next))
	case reflect.Float64:
		v.SetFloat(1 / float64(*next))
	default:
		panic(v.Type().String())
	}
}

func TestEveryFieldOfALineIsReadBack(t *testing.T) {
	awkward := []string{"plain", `a "quoted" \ word`, "<tag> & more", "line\nend\x00", "ünïcode \u2028 日本"}
	var l decision.Line
	n := 0
	fill(reflect.ValueOf(&l).Elem(), &n, func(i int) string { return fmt.Sprint(awkward[i%len(awkward)], i) })
	l.Version = decision.LineVersion
	if n < 200 {
		t.Fatalf("only %d values were filled in", n)
	}
	b := l.Append([]byte("before "))
	body, ok := strings.CutPrefix(string(b), "before ")
	if !ok || strings.Count(body, "\n") != 1 || !strings.HasSuffix(body, "\n") || !json.Valid([]byte(body)) {
		t.Fatalf("not one line of JSON: %q", body)
	}
	alike(t, &l, []byte(body))
	got, err := decision.ParseLine([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	same(t, &l, got)
}

// What no number can be never reaches the log.
func TestNothingImpossibleIsLogged(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	bad := snapshot.ValueOf(math.NaN())
	r := &decision.Record{At: at, TreeWhy: snapshot.Present, Agent: "a\xff", Inputs: &decision.Inputs{
		Wall: at, Host: snapshot.Host{BusyCores: bad, Load1: snapshot.ValueOf(math.Inf(1))}, Reported: true,
		Contention: snapshot.Contention{State: snapshot.ContentionContended, Degree: math.NaN()},
		Dying:      []decision.Dying{{InFlight: qos.InFlight{Key: snapshot.Key{ID: "\xfe"}}, Cores: bad}},
	}, QoS: qos.Decision{
		Rules:      []qos.RuleState{{Name: "r", Reading: signal.Reading{Value: bad, Shortfall: bad}, Above: math.Inf(1)}},
		Signals:    []signal.Named{{Signal: "s", Reading: signal.Reading{Value: bad}}},
		Candidates: []qos.Candidate{{Usage: math.NaN(), Over: math.Inf(-1)}},
		Ladders:    []qos.LadderState{{Limit: math.NaN()}},
	}}
	l, text := through(t, r)
	same(t, decision.LineOf(r), l)
	if l.Host.BusyCores.Why != snapshot.Malformed || l.Agent != "a\uFFFD" || l.InFlight[0].ID != "\uFFFD" {
		t.Errorf("read back %+v from\n%s", l, text)
	}
}

func TestParseLineRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":            `{"v":1,`,
		"another version":    `{"v":2}`,
		"no version":         `{}`,
		"a time of words":    `{"v":1,"at":"yesterday"}`,
		"too many decimals":  `{"v":1,"usage_age_s":1.0000000001}`,
		"an exponent":        `{"v":1,"usage_age_s":1e3}`,
		"an amount of words": `{"v":1,"offer":[{"free":"much"}]}`,
		"an unknown absence": `{"v":1,"host":{"load1":{"why":"laziness"}}}`,
		"present, no number": `{"v":1,"host":{"load1":{"why":"present"}}}`,
	} {
		if l, err := decision.ParseLine([]byte(text)); !errors.Is(err, decision.ErrLine) {
			t.Errorf("%s: %+v, %v; want ErrLine", name, l, err)
		}
	}
}

// Whatever can be read is written back to the same value.
func FuzzParseLine(f *testing.F) {
	f.Add([]byte(`{"v":1,"seq":3,"at":"2026-03-01T12:00:00.000000001Z","policy":"none","usage_age_s":-0.000000001,"host":{"cpus":4,"load1":{"why":"no_file"}},"offer":[{"resource":"cpus","free":-0.001}],"why":"calm"}`))
	f.Add([]byte(`{"v":1,"rules":[{"name":"\u2028<","value":1e300,"above":1e-300,"since_s":0}],"shadow":{"kills":[{}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decision.ParseLine(b)
		if err != nil {
			return
		}
		first := l.Append(nil)
		alike(t, l, first)
		again, err := decision.ParseLine(first)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if second := again.Append(nil); string(second) != string(first) {
			t.Fatalf("%s\n%s", first, second)
		}
	})
}

func TestFixedNumbers(t *testing.T) {
	for _, c := range []struct {
		value any
		text  string
	}{
		{decision.Seconds(0), "0"},
		{decision.Seconds(time.Second), "1"},
		{decision.Seconds(-1), "-0.000000001"},
		{decision.Seconds(math.MinInt64), "-9223372036.854775808"},
		{decision.Seconds(math.MaxInt64), "9223372036.854775807"},
		{decision.Amount(1500), "1.5"},
		{decision.Amount(-resources.Unit), "-1"},
		{decision.Amount(1), "0.001"},
		{decision.Instant(0), `"1970-01-01T00:00:00.000000000Z"`},
	} {
		b, err := json.Marshal(c.value)
		if err != nil || string(b) != c.text {
			t.Errorf("%v is written %s, %v; want %s", c.value, b, err, c.text)
		}
		back := reflect.New(reflect.TypeOf(c.value))
		if err := json.Unmarshal(b, back.Interface()); err != nil || back.Elem().Interface() != c.value {
			t.Errorf("%s is read as %v, %v; want %v", b, back.Elem(), err, c.value)
		}
	}
}
