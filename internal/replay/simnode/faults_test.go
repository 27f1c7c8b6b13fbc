package simnode

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
	"github.com/estimatord/estimatord/internal/tick"
	"github.com/estimatord/estimatord/qos"
	"github.com/estimatord/estimatord/qos/policy"
	"github.com/estimatord/estimatord/qos/signal"
)

// sensor is one input of a Snapshot. value and count reach the number; frozen
// makes it one that was read long ago. Those that are nil cannot be.
type sensor struct {
	name   string
	value  func(s *snapshot.Snapshot) *snapshot.Value
	count  func(s *snapshot.Snapshot) *snapshot.Count
	frozen func(s *snapshot.Snapshot)
	// missing is for what is neither.
	missing func(s *snapshot.Snapshot)
	// offer is what must become of the offer with each kind of fault; "same"
	// where nothing is said, "same or less" where it depends on the reason.
	offer map[string]string
}

// of is the container called id.
func of(s *snapshot.Snapshot, id string) *snapshot.Container {
	i := slices.IndexFunc(s.Containers, func(c snapshot.Container) bool { return c.ID == id })
	return &s.Containers[i]
}

func sensors() []sensor {
	long := -time.Minute
	hostOld := func(s *snapshot.Snapshot) { s.Host.At = s.At.Add(long) }
	webOld := func(s *snapshot.Snapshot) { of(s, "web").At = s.At.Add(long) }
	taskOld := func(s *snapshot.Snapshot) { of(s, "task-001").At = s.At.Add(long) }
	// An input without which nothing is known of the slack.
	blind := map[string]string{"missing": "0", "frozen": "0", "NaN": "0", "Inf": "0", "huge": "0", "negative": "0"}
	// A regular container that cannot be read counts as using all it was given,
	// which is all of the node's slack here.
	full := blind
	old := map[string]string{"frozen": "0"}
	value := func(name string, get func(s *snapshot.Snapshot) *snapshot.Value, frozen func(s *snapshot.Snapshot), offer map[string]string) sensor {
		return sensor{name: name, value: get, frozen: frozen, offer: offer}
	}
	count := func(name string, get func(s *snapshot.Snapshot) *snapshot.Count, frozen func(s *snapshot.Snapshot), offer map[string]string) sensor {
		return sensor{name: name, count: get, frozen: frozen, offer: offer}
	}
	return []sensor{
		value("host: busy CPUs", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.BusyCores }, hostOld, blind),
		count("host: number of CPUs", func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.CPUs }, hostOld, map[string]string{"missing": "0", "frozen": "0"}),
		value("host: usable CPUs", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.UsableCPUs }, hostOld, map[string]string{"missing": "0", "frozen": "0", "NaN": "0", "Inf": "0", "negative": "0"}),
		value("host: load1", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Load1 }, hostOld, old),
		value("host: load5", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Load5 }, hostOld, old),
		value("host: load15", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Load15 }, hostOld, old),
		count("host: memory available", func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemAvailableBytes }, hostOld, old),
		count("host: memory total", func(s *snapshot.Snapshot) *snapshot.Count { return &s.Host.MemTotalBytes }, hostOld, old),
		value("host: CPU pressure", func(s *snapshot.Snapshot) *snapshot.Value { return &s.Host.Pressure.CPUSome }, hostOld, old),
		value("regular container: CPU use", func(s *snapshot.Snapshot) *snapshot.Value { return &of(s, "web").CPU.Cores }, webOld, full),
		value("regular container: CPU pressure", func(s *snapshot.Snapshot) *snapshot.Value { return &of(s, "web").Pressure.CPUSome }, webOld, map[string]string{"frozen": "0", "huge": "0"}),
		count("regular container: stall time", func(s *snapshot.Snapshot) *snapshot.Count { return &of(s, "web").Pressure.CPUSomeMicros }, webOld, old),
		count("regular container: throttled time", func(s *snapshot.Snapshot) *snapshot.Count { return &of(s, "web").CPU.ThrottledNanos }, webOld, old),
		value("regular container: run delay", func(s *snapshot.Snapshot) *snapshot.Value { return &of(s, "web").CPU.RunDelay }, webOld, old),
		count("regular container: working set", func(s *snapshot.Snapshot) *snapshot.Count { return &of(s, "web").Memory.UnreclaimableBytes }, webOld, old),
		value("regular container: memory pressure", func(s *snapshot.Snapshot) *snapshot.Value { return &of(s, "web").Pressure.MemoryFull }, webOld, old),
		value("revocable container: CPU use", func(s *snapshot.Snapshot) *snapshot.Value { return &of(s, "task-001").CPU.Cores }, taskOld, map[string]string{
			// What fails to be read for a while hides nothing that runs outside; what
			// cannot be read yet or any more, as of one that has just come, is credited.
			"missing": "same or less", "frozen": "less", "NaN": "less", "Inf": "less", "negative": "less",
		}),
		count("revocable container: working set", func(s *snapshot.Snapshot) *snapshot.Count { return &of(s, "task-001").Memory.UnreclaimableBytes }, taskOld, map[string]string{"frozen": "less"}),
		{
			name:    "container tree",
			missing: func(s *snapshot.Snapshot) { s.TreeWhy = snapshot.Failed }, offer: map[string]string{"missing": "0"},
		},
		{
			name: "agent's report", missing: func(s *snapshot.Snapshot) {
				s.Usage = nil
				for i := range s.Containers {
					s.Containers[i].Executor = nil
				}
			},
			frozen: func(s *snapshot.Snapshot) { s.Usage.At = s.At.Add(long) },
			offer:  map[string]string{"missing": "0", "frozen": "0"},
		},
		{
			name:    "fast sampler",
			missing: func(s *snapshot.Snapshot) { s.Contention = snapshot.Contention{} },
			frozen: func(s *snapshot.Snapshot) {
				s.Contention = snapshot.Contention{At: s.At.Add(long), State: snapshot.ContentionContended, Why: snapshot.ContentionStalled, Container: "web", Degree: 1}
			},
		},
	}
}

// faultKinds are the columns of the table. What is missing for whichever reason,
// a truncated file, one that may not be read, an EIO or a counter that went
// backwards among them, is an Absence: all are tried.
var faultKinds = []string{"missing", "frozen", "NaN", "Inf", "huge", "negative"}

// inject returns the ways of making that kind of fault, none where there is no
// such thing.
func (x *sensor) inject(kind string) (ways []func(s *snapshot.Snapshot)) {
	bad := func(v float64) {
		if x.value != nil {
			ways = append(ways, func(s *snapshot.Snapshot) { *x.value(s) = snapshot.ValueOf(v) })
		}
	}
	switch kind {
	case "missing":
		if x.missing != nil {
			return append(ways, x.missing)
		}
		for why := range snapshot.Absence(snapshot.NumAbsences) {
			// NotRead of what was derived means that nobody tried; a container
			// without a quota is not throttled.
			if why == snapshot.Present || why == snapshot.NotRead && x.name == "host: usable CPUs" {
				continue
			}
			ways = append(ways, func(s *snapshot.Snapshot) {
				if x.value != nil {
					*x.value(s) = snapshot.Value{Why: why}
				} else {
					*x.count(s) = snapshot.Count{Why: why}
				}
			})
		}
	case "frozen":
		if x.frozen != nil {
			ways = append(ways, x.frozen)
		}
	case "NaN":
		bad(math.NaN())
	case "Inf":
		bad(math.Inf(1))
		bad(math.Inf(-1))
	case "negative":
		bad(-1)
	case "huge":
		bad(1e18)
		if x.count != nil {
			ways = append(ways, func(s *snapshot.Snapshot) { *x.count(s) = snapshot.CountOf(math.MaxUint64) })
		}
	}
	return ways
}

// outcome is what a fault led to.
type outcome struct {
	offer                     string
	kills, throttles, freezes int
}

// everyRule acts at once, as far as it can, on every signal there is.
func everyRule(t *testing.T) policy.Policy {
	t.Helper()
	p := policy.DefaultPolicy()
	p.Ladder.FreezeFor = 10 * time.Second
	p.Victims.MinUsage = 0
	for _, spec := range signal.Specs() {
		r := spec.Rule()
		if r.Above == 0 {
			r.Above = 100
		}
		r.Name, r.Clear, r.For, r.Settle, r.Action = string(spec.Name), spec.ClearOf(r.Above), 0, 0, policy.Kill
		p.Rules = append(p.Rules, r)
	}
	if err := p.Validate(signal.Specs()); err != nil {
		t.Fatal(err)
	}
	return p
}

// suffer runs a calm node until it offers, then with the fault for half a minute.
func suffer(t *testing.T, p *policy.Policy, inject func(s *snapshot.Snapshot)) outcome {
	t.Helper()
	est, err := newEstimator()
	if err != nil {
		t.Fatal(err)
	}
	sc := Scenario{CPUs: 8, Allocated: 6, Tasks: 1, TaskWants: 1, Demand: func(int) float64 { return 2 }}
	n := newStory(&sc)
	brain := tick.NewBrain(est, qos.State{})
	var out outcome
	var before float64
	for second := range 120 {
		now := begin.Add(time.Duration(second) * time.Second)
		n.run(second)
		s := n.Snapshot(now)
		s.Host.MemTotalBytes, s.Host.MemAvailableBytes = snapshot.CountOf(64<<30), snapshot.CountOf(32<<30)
		for i := range s.Containers {
			c := &s.Containers[i]
			c.Memory.UnreclaimableBytes, c.Pressure.MemoryFull = snapshot.CountOf(1<<30), snapshot.ValueOf(0)
		}
		s.Contention = snapshot.Contention{At: now, State: snapshot.ContentionCalm, Why: snapshot.ContentionNone, Regular: 1, Watched: 1, Judged: 1}
		if second >= 90 && inject != nil {
			inject(s)
		}
		d, offer := brain.Think(p, &qos.Input{Snapshot: s})
		out.kills += len(d.Kills)
		out.throttles += len(d.Actions.Throttles)
		out.freezes += len(d.Actions.Freezes)
		free := offer.Resources[0].Offered.Float()
		switch {
		case second < 90:
			before = free
		case free == 0:
			out.offer = "0"
		case free < before:
			out.offer = "less"
		case free == before:
			out.offer = "same"
		default:
			out.offer = "more"
		}
	}
	if before == 0 {
		t.Fatal("nothing was offered before the fault")
	}
	return out
}

// The fault table: whatever is wrong with whichever input, nobody is killed,
// throttled or frozen, and the offer is cut where the input matters to it.
func TestFaultTable(t *testing.T) {
	p := everyRule(t)
	if clean := suffer(t, &p, nil); clean != (outcome{offer: "same"}) {
		t.Fatalf("without a fault: %+v", clean)
	}
	var table strings.Builder
	table.WriteString("| input | " + strings.Join(faultKinds, " | ") + " |\n|---|" + strings.Repeat("---|", len(faultKinds)) + "\n")
	for _, x := range sensors() {
		table.WriteString("| " + x.name)
		for _, kind := range faultKinds {
			ways := x.inject(kind)
			if len(ways) == 0 {
				table.WriteString(" | –")
				continue
			}
			want := "same"
			if w, ok := x.offer[kind]; ok {
				want = w
			}
			for i, way := range ways {
				got := suffer(t, &p, way)
				allowed := slices.Contains(strings.Split(want, " or "), got.offer)
				if !allowed || got != (outcome{offer: got.offer}) {
					t.Errorf("%s, %s (%d): %+v, want offer %q and no action", x.name, kind, i, got, want)
				}
			}
			fmt.Fprintf(&table, " | %s", want)
		}
		table.WriteString(" |\n")
	}
	checkDoc(t, "../../../docs/evidence/ladder.md", "faults", table.String())
}

// checkDoc holds what is between the page's markers to text, or writes it.
func checkDoc(t *testing.T, path, name, text string) {
	t.Helper()
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+" begin -->\n", "<!-- "+name+" end -->"
	head, rest, ok := strings.Cut(string(doc), begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no markers for %s", path, name)
	}
	if old == text {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Fatalf("%s is not what was found; run UPDATE_DOCS=1 go test ./internal/replay/simnode", path)
	}
	if err := os.WriteFile(path, []byte(head+begin+text+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
