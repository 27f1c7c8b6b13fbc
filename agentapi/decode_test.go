package agentapi

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/internal/resources"
	"github.com/estimatord/estimatord/internal/snapshot"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
	"github.com/estimatord/estimatord/qos"
)

var noon = time.Unix(1_700_000_000, 0)

// The recordings are what a Mesos 1.12-dev agent sent; the expectations are read
// off the bytes with protoc --decode_raw.
func TestRecordingsDecode(t *testing.T) {
	total := resources.Quantities{{Name: "cpus", Amount: 2_000}, {Name: "disk", Amount: 8192_000}, {Name: "mem", Amount: 4096_000}}
	overhead := resources.Quantities{{Name: "cpus", Amount: 100}, {Name: "mem", Amount: 32_000}}
	for name, want := range map[string]*snapshot.Usage{
		"idle-agent": {At: noon, Agent: "a", Total: total, Reservations: []snapshot.Reservation{{Role: "*", Reserved: total}}},
		"one-regular-one-revocable": {
			At: noon, Agent: "a", Total: total,
			Reservations: []snapshot.Reservation{{
				Role: "*", Reserved: total, Allocated: resources.Quantities{{Name: "cpus", Amount: 700}, {Name: "mem", Amount: 192_000}},
			}},
			Executors: []snapshot.Executor{
				{
					// Mixed: the task's cpu is revocable, its memory and the
					// executor's overhead are not.
					ContainerID: "15efc7a5-5348-4dc8-b722-5344ef15571d",
					FrameworkID: "6695ca53-940a-4c28-99b0-b4bb3ad7dbf5-0009",
					ExecutorID:  "be-1",
					Name:        "Command Executor (Task: be-1)",
					Source:      "be-1",
					Role:        "*",
					Regular:     resources.Quantities{{Name: "cpus", Amount: 100}, {Name: "mem", Amount: 96_000}},
					Revocable:   resources.Quantities{{Name: "cpus", Amount: 1_000}},
					Own:         overhead,
					Class:       snapshot.ClassRevocable,
					Tasks: []snapshot.Task{{
						ID: "be-1", Name: "be",
						Regular:   resources.Quantities{{Name: "mem", Amount: 64_000}},
						Revocable: resources.Quantities{{Name: "cpus", Amount: 1_000}},
					}},
					HasStatistics: true,
				},
				{
					ContainerID: "39f93f3f-16f6-459b-bfb4-bfc34670f9b0",
					FrameworkID: "6695ca53-940a-4c28-99b0-b4bb3ad7dbf5-0008",
					ExecutorID:  "pr-1",
					Name:        "Command Executor (Task: pr-1)",
					Source:      "pr-1",
					Role:        "*",
					Regular:     resources.Quantities{{Name: "cpus", Amount: 600}, {Name: "mem", Amount: 96_000}},
					Own:         overhead,
					Class:       snapshot.ClassRegular,
					Tasks: []snapshot.Task{{
						ID: "pr-1", Name: "pr",
						Regular: resources.Quantities{{Name: "cpus", Amount: 500}, {Name: "mem", Amount: 64_000}},
					}},
					HasStatistics: true,
				},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := decodeRequest(recording(t, name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			d, err := usageOf(m, "a", noon)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, d.usage); diff != "" {
				t.Errorf("usage (-want +got):\n%s", diff)
			}
			if d.dropped != nil {
				t.Errorf("dropped: %v", d.dropped)
			}
		})
	}
}

// The recordings that have executors, by what each executor is; in each, all
// that is allocated is accounted for by the executor and its tasks.
func TestRecordingsClassify(t *testing.T) {
	for name, want := range map[string]string{
		"one-regular-one-revocable":               "be-1:revocable pr-1:regular",
		"reservations/revocable-on-top":           "be-1:revocable half:regular",
		"reservations/overhead-beyond-total":      "reserved:regular unreserved:regular",
		"reservations/role1-beyond-and-group":     "beyond:regular group-1:regular",
		"reservations/refinement-part-and-parent": "web-on-eng:regular web:regular",
		"reservations/role1-all-role2-part":       "all-1:regular all-2:regular part:regular",
		"reservations/volume-used":                "db:regular",
	} {
		t.Run(name, func(t *testing.T) {
			m, err := decodeRequest(recording(t, name+".bin"))
			if err != nil {
				t.Fatal(err)
			}
			d, err := usageOf(m, "a", noon)
			if err != nil || d.dropped != nil {
				t.Fatal(err, d.dropped)
			}
			var got []string
			for _, e := range d.usage.Executors {
				got = append(got, e.ExecutorID+":"+e.Class.String())
				left := e.Regular.Minus(e.Own)
				for _, task := range e.Tasks {
					left = left.Minus(task.Regular)
				}
				if !left.IsZero() {
					t.Errorf("%s: %s of %s is nobody's", e.ExecutorID, left, e.Regular)
				}
			}
			slices.Sort(got)
			if got := strings.Join(got, " "); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A recorded revocable executor that gets another task, which is queued: the
// agent does not list it yet.
func TestQueuedTasks(t *testing.T) {
	for name, tc := range map[string]struct {
		queued []*wire.Resource
		// unlisted: its executor has not registered, so no task is listed.
		unlisted bool
		want     snapshot.Class
	}{
		"none":                               {want: snapshot.ClassRevocable},
		"a revocable one":                    {queued: []*wire.Resource{revocable(scalar("cpus", 1))}, want: snapshot.ClassRevocable},
		"a regular one":                      {queued: []*wire.Resource{scalar("cpus", 0.5), scalar("mem", 64)}, want: snapshot.ClassShared},
		"a regular one on a reservation":     {queued: []*wire.Resource{reserved(scalar("cpus", 0.5), "role1")}, want: snapshot.ClassShared},
		"a regular one of another resource":  {queued: []*wire.Resource{scalar("gpus", 1)}, want: snapshot.ClassShared},
		"two, and the executor registers":    {queued: []*wire.Resource{scalar("cpus", 0.5)}, unlisted: true, want: snapshot.ClassShared},
		"one that may be regular, registers": {unlisted: true, want: snapshot.ClassShared},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := decodeRequest(recording(t, "one-regular-one-revocable.bin"))
			if err != nil {
				t.Fatal(err)
			}
			e := m.GetExecutors()[0]
			e.Allocated = append(e.Allocated, tc.queued...)
			if tc.unlisted {
				e.Tasks = nil
			}
			d, err := usageOf(m, "a", noon)
			if err != nil || d.dropped != nil {
				t.Fatal(err, d.dropped)
			}
			x := &d.usage.Executors[0]
			if x.Class != tc.want {
				t.Errorf("class %s, want %s", x.Class, tc.want)
			}
			_, err = qos.NewVictim(&snapshot.Container{Key: snapshot.Key{ID: x.ContainerID, Inode: 1}, Executor: x}, qos.Cause{})
			if (err == nil) != (tc.want == snapshot.ClassRevocable) {
				t.Errorf("as a victim: %v", err)
			}
		})
	}
}

func reserved(r *wire.Resource, role string) *wire.Resource {
	r.Reservations = []*wire.Resource_ReservationInfo{{Role: &role}}
	return r
}

func with(e *wire.ResourceUsage_Executor, change func(*wire.ResourceUsage_Executor)) *wire.ResourceUsage_Executor {
	change(e)
	return e
}

// A report with one good regular executor "ok" (2 cpus) and a revocable one
// "be" (1 cpu) beside what the case adds.
func TestUnusablePartsOfAReport(t *testing.T) {
	nested := func(e *wire.ResourceUsage_Executor) {
		e.ContainerId.Parent = &wire.ContainerID{Value: proto.String("p")}
	}
	bad := map[string]float64{"NaN": math.NaN(), "negative": -1, "infinite": math.Inf(1), "too large": 1e300}
	type testCase struct {
		add []*wire.ResourceUsage_Executor
		// kept are the containers of the executors that stay.
		kept string
		// dropped is how many are not kept, why is a part of the reason.
		dropped int
		why     string
		// revocable is what still counts as allocated and revocable, in cpus.
		revocable resources.Milli
		refused   string
	}
	cases := map[string]testCase{
		"nothing else":              {kept: "ok be", revocable: 1000},
		"an executor without ids":   {add: []*wire.ResourceUsage_Executor{{}}, kept: "ok be", dropped: 1, why: "has no container id", revocable: 1000},
		"without a container id":    {add: []*wire.ResourceUsage_Executor{with(bestEffort("x"), func(e *wire.ResourceUsage_Executor) { e.ContainerId = nil })}, kept: "ok be", dropped: 1, why: "has no container id", revocable: 2000},
		"without a framework id":    {add: []*wire.ResourceUsage_Executor{with(bestEffort("x"), func(e *wire.ResourceUsage_Executor) { e.ExecutorInfo.FrameworkId = nil })}, kept: "ok be", dropped: 1, why: "has no framework id", revocable: 2000},
		"with an empty executor id": {add: []*wire.ResourceUsage_Executor{with(service1("x"), func(e *wire.ResourceUsage_Executor) { e.ExecutorInfo.ExecutorId.Value = proto.String("") })}, kept: "ok be", dropped: 1, why: "has no executor id", revocable: 1000},
		"in a nested container":     {add: []*wire.ResourceUsage_Executor{with(bestEffort("x"), nested)}, kept: "ok be", dropped: 1, why: "nested", revocable: 2000},
		"nested in a container of the same name": {
			add: []*wire.ResourceUsage_Executor{with(bestEffort("be"), nested)}, kept: "ok be", dropped: 1, why: "nested", revocable: 2000,
		},
		"two claim one container": {
			add:  []*wire.ResourceUsage_Executor{bestEffort("x"), service1("x")},
			kept: "ok be", dropped: 2, why: "2 executors claim", revocable: 2000,
		},
		"without statistics, labels, tasks or resources": {add: []*wire.ResourceUsage_Executor{executorOf("x")}, kept: "ok be x", revocable: 1000},
		"a revocable port range":                         {add: []*wire.ResourceUsage_Executor{executorOf("x", revocable(&wire.Resource{Name: proto.String("ports"), Type: wire.Value_RANGES.Enum()}))}, kept: "ok be x", revocable: 1000},
		"a resource without a name": {
			add: []*wire.ResourceUsage_Executor{executorOf("x", scalar("", 1))}, kept: "ok be", dropped: 1, why: "no name", revocable: 1000,
		},
		"a scalar without a value": {
			add:  []*wire.ResourceUsage_Executor{executorOf("x", &wire.Resource{Name: proto.String("cpus"), Type: wire.Value_SCALAR.Enum()})},
			kept: "ok be", dropped: 1, why: "no value", revocable: 1000,
		},
		"a resource without a type": {
			add:  []*wire.ResourceUsage_Executor{executorOf("x", &wire.Resource{Name: proto.String("cpus"), Scalar: &wire.Value_Scalar{Value: proto.Float64(1)}})},
			kept: "ok be", dropped: 1, why: "no type", revocable: 1000,
		},
		"a sum that overflows": {
			add:     []*wire.ResourceUsage_Executor{executorOf("x", scalar("cpus", 9e15)), executorOf("y", scalar("cpus", 9e15))},
			refused: "overflows",
		},
		"a revocable sum that overflows": {
			add:     []*wire.ResourceUsage_Executor{executorOf("x", revocable(scalar("cpus", 9e15))), executorOf("y", revocable(scalar("cpus", 9e15)))},
			refused: "overflows",
		},
	}
	for name, id := range map[string]string{
		"a path": "../../etc", "a parent directory": "..", "a backslash": `a\b`, "a line break": "a\nb",
		"text that is not UTF-8": "\xff", "300 bytes": strings.Repeat("x", 300),
	} {
		cases[name+" for a container id"] = testCase{
			add: []*wire.ResourceUsage_Executor{bestEffort(id)}, kept: "ok be", dropped: 1, why: "container id", revocable: 2000,
		}
	}
	for name, v := range bad {
		cases["regular "+name] = testCase{
			add:  []*wire.ResourceUsage_Executor{executorOf("x", scalar("cpus", v), revocable(scalar("cpus", 3)))},
			kept: "ok be", dropped: 1, why: `regular "cpus": unusable amount`, revocable: 4000,
		}
		cases["executor's own "+name] = testCase{
			add: []*wire.ResourceUsage_Executor{with(bestEffort("x"), func(e *wire.ResourceUsage_Executor) {
				e.ExecutorInfo.Resources = append(e.ExecutorInfo.Resources, scalar("mem", v))
			})},
			kept: "ok be", dropped: 1, why: `executor: regular "mem": unusable amount`, revocable: 2000,
		}
		cases["task "+name] = testCase{
			add: []*wire.ResourceUsage_Executor{with(bestEffort("x"), func(e *wire.ResourceUsage_Executor) {
				e.Tasks[0].Resources = append(e.Tasks[0].Resources, scalar("mem", v))
			})},
			kept: "ok be", dropped: 1, why: `task "t-x": regular "mem": unusable amount`, revocable: 2000,
		}
		cases["revocable "+name] = testCase{
			add: []*wire.ResourceUsage_Executor{executorOf("x", revocable(scalar("cpus", v)))}, refused: `revocable "cpus" cannot be left out`,
		}
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d, err := usageOf(usageWith(append([]*wire.ResourceUsage_Executor{service1("ok"), bestEffort("be")}, tc.add...)...), "a", noon)
			if tc.refused != "" {
				if !errors.Is(err, ErrUsage) || !strings.Contains(fmt.Sprint(err), tc.refused) {
					t.Fatalf("err = %v, want ErrUsage with %q", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var kept []string
			for _, e := range d.usage.Executors {
				kept = append(kept, e.ContainerID)
			}
			if got := strings.Join(kept, " "); got != tc.kept {
				t.Errorf("kept %q, want %q", got, tc.kept)
			}
			if d.usage.Dropped != tc.dropped || !strings.Contains(fmt.Sprint(d.dropped), tc.why) {
				t.Errorf("dropped %d (%v), want %d (%q)", d.usage.Dropped, d.dropped, tc.dropped, tc.why)
			}
			if got := d.usage.Revocable().Get("cpus"); got != tc.revocable {
				t.Errorf("allocated as revocable: %s cpus, want %s", got, tc.revocable)
			}
		})
	}
}

func TestUnusableTotalRefusesTheReport(t *testing.T) {
	m := usageWith()
	m.Total = append(m.Total, scalar("mem", math.NaN()))
	if _, err := usageOf(m, "a", noon); !errors.Is(err, ErrUsage) {
		t.Errorf("err = %v, want ErrUsage", err)
	}
}

func TestTooManyResourceNamesRefuseTheReport(t *testing.T) {
	e := executorOf("x")
	for i := range maxNames + 1 {
		e.Allocated = append(e.Allocated, scalar(fmt.Sprint("r", i), 1))
	}
	if _, err := usageOf(usageWith(e), "a", noon); !errors.Is(err, ErrUsage) {
		t.Errorf("err = %v, want ErrUsage", err)
	}
}

func TestExecutorFields(t *testing.T) {
	e := bestEffort("x")
	e.ExecutorInfo.Name = proto.String("my executor")
	e.ExecutorInfo.Labels = &wire.Labels{Labels: []*wire.Label{{Key: proto.String("k"), Value: proto.String("v")}, {Key: proto.String("only")}}}
	e.Allocated[0].AllocationInfo = nil
	e.Allocated[1].AllocationInfo.Role = proto.String("ads")
	e.Tasks[0].Labels = &wire.Labels{Labels: []*wire.Label{{Key: proto.String("tk")}}}
	e.Tasks = append(e.Tasks, &wire.ResourceUsage_Executor_Task{Id: &wire.TaskID{Value: proto.String("t2")}, Resources: []*wire.Resource{scalar("cpus", 1)}})
	d, err := usageOf(usageWith(e), "a", noon)
	if err != nil {
		t.Fatal(err)
	}
	want := snapshot.Executor{
		ContainerID: "x", FrameworkID: "f", ExecutorID: "e-x", Name: "my executor", Role: "ads",
		Labels:    []snapshot.Label{{Key: "k", Value: "v"}, {Key: "only"}},
		Regular:   resources.Quantities{{Name: "cpus", Amount: 100}},
		Revocable: resources.Quantities{{Name: "cpus", Amount: 1000}},
		Own:       resources.Quantities{{Name: "cpus", Amount: 100}},
		Class:     snapshot.ClassShared,
		Tasks: []snapshot.Task{
			{ID: "t-x", Revocable: resources.Quantities{{Name: "cpus", Amount: 1000}}, Labels: []snapshot.Label{{Key: "tk"}}},
			{ID: "t2", Regular: resources.Quantities{{Name: "cpus", Amount: 1000}}},
		},
	}
	if diff := cmp.Diff(want, d.usage.Executors[0]); diff != "" {
		t.Errorf("executor (-want +got):\n%s", diff)
	}
}

func TestDisplayNameHasNoCommandLine(t *testing.T) {
	for in, want := range map[string]string{
		"":    "",
		"web": "web",
		"Command Executor (Task: t) (Command: sh -c 'echo secret')": "Command Executor (Task: t)",
		"(Task: t) (Command: [secret])":                             "(Task: t)",
		"(Command: NO COMMAND)":                                     "",
	} {
		if got := displayName(in); got != want {
			t.Errorf("displayName(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzUsage(f *testing.F) {
	for _, name := range []string{"idle-agent.bin", "one-regular-one-revocable.bin"} {
		f.Add(recording(f, name))
	}
	f.Add(requestWithSecrets(f))
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0x02, 0x0a, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeRequest(b)
		if err != nil || m == nil {
			return
		}
		d, err := usageOf(m, "a", noon)
		if err != nil {
			if !errors.Is(err, ErrUsage) {
				t.Errorf("err = %v, want ErrUsage", err)
			}
			return
		}
		ids := map[string]bool{}
		for _, e := range d.usage.Executors {
			if e.ContainerID == "" || e.FrameworkID == "" || e.ExecutorID == "" || ids[e.ContainerID] || strings.ContainsAny(e.ContainerID, "/\x00\n") {
				t.Errorf("kept executor with ids %q %q %q", e.ContainerID, e.FrameworkID, e.ExecutorID)
			}
			ids[e.ContainerID] = true
			if e.Class != e.Classify() {
				t.Errorf("class %s, want %s", e.Class, e.Classify())
			}
		}
		if d.usage.Dropped+len(d.usage.Executors) != len(m.GetExecutors()) {
			t.Errorf("%d kept and %d dropped of %d", len(d.usage.Executors), d.usage.Dropped, len(m.GetExecutors()))
		}
		for _, q := range []resources.Quantities{d.usage.Regular(), d.usage.Revocable(), d.usage.Total} {
			for _, e := range q {
				if e.Amount < 0 || e.Name == "" {
					t.Errorf("%q has %d", e.Name, e.Amount)
				}
			}
		}
	})
}

// BenchmarkDecode100 is what one report of 100 command tasks costs.
func BenchmarkDecode100(b *testing.B) {
	var m wire.ResourceUsage
	for i := range 50 {
		m.Executors = append(m.Executors, service1(fmt.Sprint("s", i)), bestEffort(fmt.Sprint("b", i)))
	}
	usage, err := proto.Marshal(&m)
	if err != nil {
		b.Fatal(err)
	}
	req := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), usage)
	b.SetBytes(int64(len(req)))
	b.ReportAllocs()
	for b.Loop() {
		m, err := decodeRequest(req)
		if err != nil {
			b.Fatal(err)
		}
		if d, err := usageOf(m, "a", noon); err != nil || len(d.usage.Executors) != 100 {
			b.Fatal(len(d.usage.Executors), err)
		}
	}
}
