package agentapi

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// reservedTable are the parts of a real agent, worked out by hand from what was
// launched: cpus, mem and disk of each role, as reserved / allocated / free.
var reservedTable = map[string][]string{
	"idle":                {"* 1/0/1 1024/0/1024 8192/0/8192", "role1 1/0/1 1024/0/1024 1024/0/1024"},
	"operator-unreserved": {"* 1/0/1 1024/0/1024 8192/0/8192", "role1 1/0/1 1024/0/1024 1024/0/1024"},
	"role1-half":          {"* 1/0.1/0.9 1024/32/992 8192/0/8192", "role1 1/0.5/0.5 1024/512/512 1024/0/1024"},
	"revocable-on-top":    {"* 1/0.2/0.8 1024/192/832 8192/0/8192", "role1 1/0.5/0.5 1024/512/512 1024/0/1024"},
	"role1-all-role2-reserved": {
		"* 0.4/0.2/0.2 512/64/448 8192/0/8192", "role1 1/1/0 1024/1024/0 1024/0/1024", "role2 0.6/0/0.6 512/0/512 0/0/0",
	},
	"role1-all-role2-part": {
		"* 0.4/0.3/0.1 512/96/416 8192/0/8192", "role1 1/1/0 1024/1024/0 1024/0/1024", "role2 0.6/0.25/0.35 512/128/384 0/0/0",
	},
	"idle-dynamic-left": {
		"* 0.4/0/0.4 512/0/512 8192/0/8192", "role1 1/0/1 1024/0/1024 1024/0/1024", "role2 0.6/0/0.6 512/0/512 0/0/0",
	},
	"operator-reserve": {
		"* 0.5/0/0.5 768/0/768 8192/0/8192", "role1 1/0/1 1024/0/1024 1024/0/1024", "role2 0.5/0/0.5 256/0/256 0/0/0",
	},
	"refinement-idle":     {"* 1/0/1 1024/0/1024 8192/0/8192", "eng 1/0/1 1024/0/1024 0/0/0"},
	"refinement-reserved": {"* 1/0/1 1024/0/1024 8192/0/8192", "eng 0.5/0/0.5 512/0/512 0/0/0", "eng/web 0.5/0/0.5 512/0/512 0/0/0"},
	"refinement-part": {
		"* 1/0.1/0.9 1024/32/992 8192/0/8192", "eng 0.5/0/0.5 512/0/512 0/0/0", "eng/web 0.5/0.25/0.25 512/128/384 0/0/0",
	},
	"refinement-part-and-parent": {
		"* 1/0.2/0.8 1024/64/960 8192/0/8192", "eng 0.5/0.2/0.3 512/64/448 0/0/0", "eng/web 0.5/0.25/0.25 512/128/384 0/0/0",
	},
	// The volume of 256 MB holds data: nobody is lent it.
	"volume-unused": {"* 1/0/1 1024/0/1024 8192/0/8192", "role1 1/0/1 1024/0/1024 1024/0/768"},
	"volume-used":   {"* 1/0.1/0.9 1024/32/992 8192/0/8192", "role1 1/0.5/0.5 1024/256/768 1024/320/704"},
	"role1-beyond-and-group": {
		"* 1/0.9/0.1 1024/288/736 8192/16/8176", "role1 1/1/0 1024/416/608 1024/0/1024",
	},
	"overhead-beyond-total": {"* 1/1.2/-0.2 1024/1088/-64 8192/0/8192", "role1 1/1/0 1024/1024/0 1024/0/1024"},
}

func TestReservationsOfARealAgent(t *testing.T) {
	files, err := os.ReadDir(filepath.Join("testdata", "reservations"))
	if err != nil || len(files) != len(reservedTable) {
		t.Fatalf("%d recordings of %d, %v", len(files), len(reservedTable), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".bin")
		m, err := decodeRequest(recording(t, filepath.Join("reservations", f.Name())))
		if err != nil {
			t.Fatal(err)
		}
		d, err := usageOf(m, "agent", time.Unix(1, 0))
		if err != nil || d.dropped != nil {
			t.Fatalf("%s: %v, %v", name, err, d.dropped)
		}
		var got []string
		for i := range d.usage.Reservations {
			r := &d.usage.Reservations[i]
			part := func(of string) string {
				return fmt.Sprintf("%v/%v/%v", r.Reserved.Get(of), r.Allocated.Get(of), r.Free(of))
			}
			got = append(got, strings.Join([]string{r.Role, part("cpus"), part("mem"), part("disk")}, " "))
		}
		if want := strings.Join(reservedTable[name], "\n"); strings.Join(got, "\n") != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(got, "\n"), want)
		}
	}
}

func reservedFor(r *wire.Resource, roles ...string) *wire.Resource {
	for _, role := range roles {
		r.Reservations = append(r.Reservations, &wire.Resource_ReservationInfo{Role: &role})
	}
	return r
}

func volume(r *wire.Resource, id string) *wire.Resource {
	r.Disk = &wire.Resource_DiskInfo{Persistence: &wire.Resource_DiskInfo_Persistence{Id: &id}}
	r.Shared = &wire.Resource_SharedInfo{}
	return r
}

// Two executors have one shared volume: it is allocated once. A refinement is of
// its last role, and what old agents write in role counts.
func TestReservationsCountOnce(t *testing.T) {
	old := scalar("cpus", 2)
	old.Role = proto.String("old")
	m := &wire.ResourceUsage{
		Executors: []*wire.ResourceUsage_Executor{
			executorOf("c1", volume(reservedFor(scalar("disk", 256), "db"), "v1")),
			executorOf("c2", volume(reservedFor(scalar("disk", 256), "db"), "v1"), reservedFor(scalar("cpus", 1), "a", "a/b"), revocable(scalar("cpus", 3))),
		},
		Total: []*wire.Resource{
			reservedFor(scalar("disk", 100), "db"), volume(reservedFor(scalar("disk", 256), "db"), "v1"), volume(reservedFor(scalar("disk", 50), "db"), "v2"),
			reservedFor(scalar("cpus", 4), "a", "a/b"), old,
		},
	}
	d, err := usageOf(m, "agent", time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range d.usage.Reservations {
		got = append(got, fmt.Sprintf("%s reserved %v allocated %v disks %v", r.Role, r.Reserved, r.Allocated, r.Disks))
	}
	want := "a/b reserved cpus:4 allocated cpus:1 disks \ndb reserved disk:406 allocated disk:256 disks disk:50\nold reserved cpus:2 allocated  disks "
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

func TestReservationsAreBounded(t *testing.T) {
	m := &wire.ResourceUsage{}
	for i := range maxRoles + 1 {
		m.Total = append(m.Total, reservedFor(scalar("cpus", 1), fmt.Sprint("role", i)))
	}
	if _, err := usageOf(m, "agent", time.Unix(1, 0)); err == nil || !strings.Contains(err.Error(), "more than 1024 roles") {
		t.Error(err)
	}
}
