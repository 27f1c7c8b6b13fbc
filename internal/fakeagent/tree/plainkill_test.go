package tree

import (
	"bufio"
	"os/exec"
	"testing"

	"github.com/estimatord/estimatord/internal/resources"
)

// TestKillPlainly ends a container with several processes, and touches no CPU
// setting of it.
func TestKillPlainly(t *testing.T) {
	tr := create(t, "plain")
	limits := Limits{CPUs: resources.Unit, Revocable: true}
	c, err := tr.NewContainer(someID, limits)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "sleep 3600 & sleep 3600 & echo started; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "started\n" {
		t.Fatalf("the container says %q, %v", line, err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 3 {
		t.Fatalf("processes %v, %v; want 3", pids, err)
	}
	before := weightOf(t, c)
	if err := c.KillPlainly(); err != nil {
		t.Fatal(err)
	}
	if pids, err := c.Pids(); err != nil || len(pids) != 0 {
		t.Errorf("processes %v, %v; want none", pids, err)
	}
	if after := weightOf(t, c); after != before {
		t.Errorf("its CPU weight was %s, and is %s", before, after)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it ended by itself")
	}
	if err := c.Destroy(); err != nil {
		t.Error(err)
	}
}

// TestUpdate writes what the agent wrote first.
func TestUpdate(t *testing.T) {
	tr := create(t, "update")
	limits := Limits{CPUs: 3 * resources.Unit}
	c, err := tr.NewContainer(someID, limits)
	if err != nil {
		t.Fatal(err)
	}
	before := weightOf(t, c)
	if err := write(weightFile(t, c), "2"); err != nil {
		t.Fatal(err)
	}
	if err := c.Update(limits); err != nil {
		t.Fatal(err)
	}
	if after := weightOf(t, c); after != before || before == "2" {
		t.Errorf("the weight was %s, and is %s", before, after)
	}
}

func weightFile(t *testing.T, c *Container) string {
	t.Helper()
	for _, dir := range c.Dirs() {
		for _, name := range []string{"/cpu.shares", "/cpu.weight"} {
			if exists(dir + name) {
				return dir + name
			}
		}
	}
	t.Fatal("the container has no CPU weight")
	return ""
}

func weightOf(t *testing.T, c *Container) string {
	t.Helper()
	w, err := words(weightFile(t, c))
	if err != nil || len(w) != 1 {
		t.Fatalf("CPU weight %q, %v", w, err)
	}
	return w[0]
}
