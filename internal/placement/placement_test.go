package placement

import (
	"errors"
	"strings"
	"testing"

	"github.com/estimatord/estimatord/internal/scheduler"
)

// offer makes an offer of an agent from amounts of regular and revocable cpus
// and memory, as a master writes it.
func offer(agent, id string, cpus, revocableCPUs, mem, revocableMem float64) scheduler.Offer {
	o := scheduler.Offer{ID: scheduler.ID{Value: id}, AgentID: scheduler.ID{Value: agent}, Hostname: agent}
	add := func(name string, amount float64, revocable bool) {
		if amount == 0 {
			return
		}
		r := scheduler.Resource{
			Name: name, Type: "SCALAR", Role: "*", Scalar: &scheduler.Scalar{Value: amount}, AllocationInfo: []byte(`{"role":"*"}`),
		}
		if revocable {
			r.Revocable = &struct{}{}
		}
		o.Resources = append(o.Resources, r)
	}
	add("cpus", cpus, false)
	add("cpus", revocableCPUs, true)
	add("mem", mem, false)
	add("mem", revocableMem, true)
	return o
}

func mustType(t *testing.T, text string) ResType {
	t.Helper()
	r, err := ParseResType(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What each value does with each that offers may hold, for a task of 2 cpus and
// 64 MB. A dash: it waits, and so times out.
func TestResTypes(t *testing.T) {
	both := offer("a", "1", 4, 4, 1024, 0)
	onlyRegular := offer("a", "1", 4, 0, 1024, 0)
	onlyRevocable := offer("a", "1", 0, 4, 1024, 0)
	tooLittle := offer("a", "1", 1, 1, 1024, 0)
	noMemory := offer("a", "1", 4, 4, 32, 0)
	columns := []struct {
		name   string
		offers []scheduler.Offer
	}{
		{"both", []scheduler.Offer{both}},
		{"only regular", []scheduler.Offer{onlyRegular}},
		{"only revocable", []scheduler.Offer{onlyRevocable}},
		{"1 cpu of each: kinds are not mixed", []scheduler.Offer{tooLittle}},
		{"1 regular and 4 revocable", []scheduler.Offer{offer("a", "1", 1, 4, 1024, 0)}},
		{"4 regular and 1 revocable", []scheduler.Offer{offer("a", "1", 4, 1, 1024, 0)}},
		{"no memory", []scheduler.Offer{noMemory}},
		{"1 cpu on each of two agents: nothing is split", []scheduler.Offer{offer("a", "1", 1, 1, 1024, 0), offer("b", "2", 1, 1, 1024, 0)}},
		{"two offers of one agent", []scheduler.Offer{offer("a", "1", 1, 0, 0, 0), offer("a", "2", 1, 0, 1024, 0)}},
		{"revocable apart from the memory", []scheduler.Offer{offer("a", "1", 0, 0, 1024, 0), offer("a", "2", 0, 4, 0, 0)}},
		{"revocable first, regular on another agent", []scheduler.Offer{onlyRevocable, offer("b", "2", 4, 0, 1024, 0)}},
		{"regular first, revocable on another agent", []scheduler.Offer{onlyRegular, offer("b", "2", 0, 4, 1024, 0)}},
		{"only revocable memory", []scheduler.Offer{offer("a", "1", 4, 4, 0, 1024)}},
		{"nothing", nil},
	}
	const g, v, w = "regular", "revocable", "-"
	for text, want := range map[string][]string{
		"regular":      {g, g, w, w, w, g, w, w, g, w, g, g, w, w},
		"~regular":     {g, g, v, w, v, g, w, w, g, v, g, g, w, w},
		"revocable":    {v, w, v, w, v, w, w, w, w, v, v, v, w, w},
		"~revocable":   {v, g, v, w, v, g, w, w, g, v, v, v, w, w},
		"*":            {g, g, v, w, v, g, w, w, g, v, g, g, w, w},
		"/re.*/":       {g, g, v, w, v, g, w, w, g, v, g, g, w, w},
		"/regular/":    {g, g, w, w, w, g, w, w, g, w, g, g, w, w},
		"/rev[a-z]+/":  {v, w, v, w, v, w, w, w, w, v, v, v, w, w},
		"/(|)regular/": {g, g, w, w, w, g, w, w, g, w, g, g, w, w},
	} {
		for i, c := range columns {
			ask := Request{Type: mustType(t, text), CPUs: 2000, MemMB: 64000}
			agent, kind, taken := Place(Agents(c.offers), &ask, true)
			got := w
			if agent != nil {
				got = string(kind)
				check(t, taken, kind, Regular, 2, 64)
			}
			if got != want[i] {
				t.Errorf("%s with %s: %s, want %s", text, c.name, got, want[i])
			}
		}
	}
}

// check checks that what is taken is of one kind for each name, and as much as
// asked for.
func check(t *testing.T, taken []scheduler.Resource, cpus, mem Kind, amountOfCPUs, amountOfMem float64) {
	t.Helper()
	sum := map[string]float64{}
	for _, r := range taken {
		want := map[string]Kind{"cpus": cpus, "mem": mem}[r.Name]
		if KindOf(&r) != want || r.Role != "*" || string(r.AllocationInfo) != `{"role":"*"}` || r.Scalar.Value <= 0 {
			t.Errorf("took %+v", r)
		}
		sum[r.Name] += r.Scalar.Value
	}
	if sum["cpus"] != amountOfCPUs || sum["mem"] != amountOfMem || len(sum) != 2 {
		t.Errorf("took %v", sum)
	}
}

// The second choice waits until it is allowed: the first may come a moment later
// in an offer of its own.
func TestSecondChoice(t *testing.T) {
	for text, want := range map[string]bool{"regular": false, "~regular": false, "*": false, "revocable": true, "~revocable": true} {
		ask := Request{Type: mustType(t, text), CPUs: 1000, MemMB: 1000}
		if agent, _, _ := Place(Agents([]scheduler.Offer{offer("a", "1", 0, 4, 64, 0)}), &ask, false); (agent != nil) != want {
			t.Errorf("%s is placed: %t, want %t", text, agent != nil, want)
		}
	}
}

// Memory is revocable only where it was asked for, and only of a task that is.
func TestRevocableMemory(t *testing.T) {
	for _, c := range []struct {
		text     string
		offer    scheduler.Offer
		ask      bool
		cpu, mem Kind
	}{
		{"revocable", offer("a", "1", 0, 4, 64, 64), true, Revocable, Revocable},
		{"revocable", offer("a", "1", 0, 4, 64, 0), true, Revocable, Regular},
		{"revocable", offer("a", "1", 0, 4, 64, 32), true, Revocable, Regular},
		{"revocable", offer("a", "1", 0, 4, 64, 64), false, Revocable, Regular},
		{"revocable", offer("a", "1", 0, 4, 0, 64), false, "", ""},
		{"~regular", offer("a", "1", 4, 4, 64, 64), true, Regular, Regular},
		{"~regular", offer("a", "1", 4, 4, 0, 64), true, Revocable, Revocable},
		{"regular", offer("a", "1", 4, 4, 0, 64), true, "", ""},
	} {
		ask := Request{Type: mustType(t, c.text), CPUs: 1000, MemMB: 64000, RevocableMem: c.ask}
		_, kind, taken := Place(Agents([]scheduler.Offer{c.offer}), &ask, true)
		if kind != c.cpu {
			t.Errorf("%+v: got %q", c, kind)
		} else if kind != "" {
			check(t, taken, c.cpu, c.mem, 1, 64)
		}
	}
}

// Several tasks share what an agent offers to the last thousandth, and only the
// offers that are used are named.
func TestPlaceUntilNothingIsLeft(t *testing.T) {
	agents := Agents([]scheduler.Offer{offer("a", "1", 0, 0.3, 0, 0), offer("a", "2", 0, 0, 100, 0), offer("a", "3", 7, 0, 0, 0)})
	ask := Request{Type: mustType(t, "revocable"), CPUs: 100, MemMB: 1000}
	for i := range 4 {
		if a, _, _ := Place(agents, &ask, true); (a != nil) != (i < 3) {
			t.Errorf("task %d is placed: %t", i, a != nil)
		}
	}
	if ids := agents[0].Used(); len(ids) != 2 || ids[0].Value != "1" || ids[1].Value != "2" {
		t.Errorf("used %v", ids)
	}
}

// Reserved resources of the role are taken as they are; volumes, shared ones and
// those of a provider are not.
func TestWhatIsUsable(t *testing.T) {
	o := offer("a", "1", 1, 0, 64, 0)
	reserved := o.Resources[0]
	reserved.Role, reserved.Reservation = "batch", []byte(`{"principal":"p"}`)
	volume := o.Resources[0]
	volume.Disk = []byte(`{}`)
	o.Resources = append(o.Resources, reserved, volume)
	ask := Request{Type: mustType(t, "regular"), CPUs: 2000, MemMB: 1000}
	agent, _, taken := Place(Agents([]scheduler.Offer{o}), &ask, true)
	if agent == nil || len(taken) != 3 || taken[1].Role != "batch" || string(taken[1].Reservation) != `{"principal":"p"}` {
		t.Errorf("took %+v", taken)
	}
	ask.CPUs = 3000
	if agent, _, _ := Place(Agents([]scheduler.Offer{o}), &ask, true); agent != nil {
		t.Error("a volume was used as cpus")
	}
}

func TestParseResTypeRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"":            "use regular, ~regular",
		"Regular":     "use regular, ~regular",
		"~*":          "use regular, ~regular",
		"spot":        "use regular, ~regular",
		"/":           "use regular, ~regular",
		"//":          "matches neither",
		"/regul/":     "matches neither",
		"/(/":         "missing closing",
		"revocable ":  "use regular, ~regular",
		"~revocable,": "use regular, ~regular",
	} {
		if _, err := ParseResType(text); !errors.Is(err, ErrResType) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	var one ResType
	if err := one.Set("~regular"); err != nil {
		t.Fatal(err)
	}
	if err := one.Set("~regular"); !errors.Is(err, ErrResType) || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second res-type: %v", err)
	}
}
