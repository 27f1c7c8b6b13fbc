package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/estimatord/estimatord/internal/control"
	"github.com/estimatord/estimatord/internal/fakeagent/process"
	"github.com/estimatord/estimatord/internal/fakeagent/tree"
	"github.com/estimatord/estimatord/internal/resources"
)

// chaosEnv says how long the chaos goes on: short or long. Without it there is none.
const chaosEnv = "CHAOS"

// binaryEnv names a daemon that is there already, as in the guest of
// internal/cgroup2vm, where none can be built and the clock may be set.
const binaryEnv = "ESTIMATORD_BINARY"

// calm is the policy under which nothing is done.
var calm = strings.Replace(throttling, "{", "{shadow: true, ", 1)

// chaos is a daemon that things happen to, with what it keeps on a small disk.
type chaos struct {
	*node
	dir, binary string
	daemon      *process.Process
	log         *os.File // what the daemon said that may explain a failure
	long        bool
}

// operator is who asks this daemon.
func (c *chaos) operator() control.Client {
	return control.Client(filepath.Join(c.dir, "operator.sock"))
}

func (c *chaos) disk() string { return filepath.Join(c.dir, "disk") }

// lasting is the short or the long form of a time.
func (c *chaos) lasting(short, long time.Duration) time.Duration {
	if c.long {
		return long
	}
	return short
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	form := os.Getenv(chaosEnv)
	if form != "short" && form != "long" {
		t.Skipf("takes minutes: make chaos, or %s=short", chaosEnv)
	}
	dir, err := os.MkdirTemp("", "chaos") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &chaos{node: newNode(t, filepath.Join(dir, "agent.sock")), dir: dir, binary: os.Getenv(binaryEnv), long: form == "long"}
	if c.binary == "" {
		c.binary = filepath.Join(dir, "estimatord")
		run(t, "go", "build", "-o", c.binary, "../cmd/estimatord")
	}
	if c.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, err := os.ReadFile(c.log.Name()); t.Failed() {
			t.Logf("the daemon's log (err %v):\n%s", err, text[max(0, len(text)-8000):])
		}
		_ = c.log.Close()
	})
	if err := os.Mkdir(c.disk(), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("chaos", c.disk(), "tmpfs", 0, "size=8m,mode=755"); err != nil {
		t.Skipf("needs to mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(c.disk(), 0); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(dir, "estimatord.yaml"), c.settings()+`listen: 127.0.0.1:0
interval: 200ms
usage_stale_after: 5s
socket: `+filepath.Join(dir, "agent.sock")+`
operator_socket: `+filepath.Join(dir, "operator.sock")+`
journal_file: `+filepath.Join(c.disk(), "journal")+`
state_file: `+filepath.Join(c.disk(), "state.json")+`
decisions: {dir: `+filepath.Join(c.disk(), "decisions")+`, max_mib: 1}
`)
	write(t, filepath.Join(dir, "policy.yaml"), calm)
	c.start(t)
	t.Cleanup(func() {
		if err := c.daemon.Stop(); err != nil {
			t.Error(err)
		}
	})
	c.launchBoth(t)
	return c
}

func (c *chaos) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.binary, append(args, "--config="+filepath.Join(c.dir, "estimatord.yaml"))...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // what is said to the tests is not said to the daemon
	return cmd
}

func (c *chaos) start(t *testing.T) {
	t.Helper()
	var err error
	log := func(l process.Line) {
		if l.Level != "INFO" || l.Msg == "offer" || l.Msg == "qos" {
			_, _ = fmt.Fprintln(c.log, l.Text)
		}
	}
	if c.daemon, err = process.Start(t.Context(), c.command("--log-format=json"), log); err != nil {
		t.Fatal(err)
	}
}

// pid is the daemon's.
func (c *chaos) pid(t *testing.T) int {
	t.Helper()
	st, err := c.operator().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Daemon.PID
}

func (c *chaos) policy(t *testing.T, text string) {
	t.Helper()
	write(t, filepath.Join(c.dir, "policy.yaml"), text)
}

// settles is what has to be true after each kind of chaos: the daemon still
// throttles, gives everything back, offers what is right, and can say so. No
// regular container was touched: awaitThrottled looks, and the agent, which would
// tell of a kill.
func (c *chaos) settles(t *testing.T) {
	t.Helper()
	began := time.Now()
	c.policy(t, throttling)
	c.awaitThrottled(t, true)
	c.policy(t, calm)
	c.awaitThrottled(t, false)
	eventually(t, "the offer is right", func() error {
		if free := c.agent.Offer().Free().Get(resources.CPUs); free != 200 {
			return fmt.Errorf("%v cpus are free at the agent, want 0.2: half a CPU less what the hog is allocated", free)
		}
		return nil
	})
	out, err := c.command("explain", "offer").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "0.2") {
		t.Errorf("explain offer: %v\n%s", err, out)
	}
	t.Logf("throttled, undone and offered as before after %s", time.Since(began).Round(100*time.Millisecond))
}

func TestChaos(t *testing.T) {
	c := newChaos(t)
	c.settles(t)
	for _, tc := range []struct {
		name string
		do   func(*testing.T, *chaos)
	}{
		{"the daemon is killed", killDaemon},
		{"the agent is gone", loseAgent},
		{"the agent's socket is deleted", deleteSocket},
		{"the disk is full", fillDisk},
		{"the disk is read-only", lockDisk},
		{"the clock is stepped", stepClock},
		{"containers come and go", storm},
		{"malformed requests", garbage},
		{"slow readers", slowReaders},
		{"the daemon is stopped", stopDaemon},
		{"two daemons on one state", secondDaemon},
	} {
		if !t.Run(tc.name, func(t *testing.T) {
			c.policy(t, throttling)
			c.awaitThrottled(t, true)
			tc.do(t, c)
			c.settles(t)
		}) {
			return // what follows would begin from nowhere
		}
	}
}

// killDaemon leaves what is throttled to the next one. A stop of the offer from
// before a restart lasts a minute.
func killDaemon(t *testing.T, c *chaos) {
	c.daemon.Kill()
	c.awaitThrottled(t, true) // nobody is there to undo it
	c.start(t)
}

// A daemon may die at any moment of a tick, and often.
func TestChaosKills(t *testing.T) {
	c := newChaos(t)
	kills := 20
	if c.long {
		kills = 1000
	}
	c.policy(t, throttling)
	inForce, began := 0, time.Now()
	for i := range kills {
		if i%10 == 0 {
			c.awaitThrottled(t, true)
		}
		time.Sleep(rand.N(400 * time.Millisecond))
		c.daemon.Kill()
		if now := c.controls(t, "service"); !maps.Equal(now, c.before["service"]) {
			t.Fatalf("the regular container was touched: %v", now)
		}
		if !maps.Equal(c.controls(t, "hog"), c.before["hog"]) {
			inForce++
		}
		c.start(t)
	}
	t.Logf("%d kills, %d of them with a throttle in force, in %s", kills, inForce, time.Since(began).Round(time.Second))
	if inForce == 0 {
		t.Error("no throttle was ever in force")
	}
	c.settles(t)
}

// An agent that is gone is told nothing, and reports nothing: nothing is offered.
func loseAgent(t *testing.T, c *chaos) {
	c.pauseAgent()
	eventually(t, "nothing is offered to an agent that is gone", func() error {
		st, err := c.operator().Status(t.Context())
		if err != nil {
			return err
		}
		if offered := st.Tick.Offer.Resources[0].Offered; offered != 0 {
			return fmt.Errorf("%s is offered", offered)
		}
		return nil
	})
	c.runAgent()
}

func deleteSocket(t *testing.T, c *chaos) {
	path := filepath.Join(c.dir, "agent.sock")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket is there again", func() error {
		conn, err := net.Dial("unix", path)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// fillDisk leaves no byte for journal, state and log.
func fillDisk(t *testing.T, c *chaos) {
	path := filepath.Join(c.disk(), "full")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(file, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	_ = file.Close()
	time.Sleep(c.lasting(3*time.Second, 30*time.Second))
	c.policy(t, calm) // what was applied can be undone without a byte more
	c.awaitThrottled(t, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A daemon that starts on a disk that became read-only undoes what its predecessor
// applied.
func lockDisk(t *testing.T, c *chaos) {
	remount := func(flags uintptr) {
		if err := unix.Mount("", c.disk(), "", unix.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	c.daemon.Kill()
	remount(unix.MS_RDONLY)
	defer remount(0)
	c.policy(t, calm)
	cmd := c.command("--log-format=json")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "read-only") {
		t.Errorf("it started on a disk on which it can keep nothing: %v\n%s", err, out)
	}
	c.awaitThrottled(t, false)
	remount(0)
	c.start(t)
}

func stepClock(t *testing.T, _ *chaos) {
	if os.Getenv(binaryEnv) == "" {
		t.Skip("only in a guest, where nobody else needs the clock")
	}
	for _, step := range []time.Duration{24 * time.Hour, -48 * time.Hour, 24 * time.Hour} {
		now := unix.NsecToTimeval(time.Now().Add(step).UnixNano())
		if err := unix.Settimeofday(&now); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
	}
}

// storm starts and ends 200 containers a second that the agent knows nothing of.
func storm(t *testing.T, c *chaos) {
	deadline := time.Now().Add(c.lasting(3*time.Second, 30*time.Second))
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	n := 0
	for ; time.Now().Before(deadline); n++ {
		<-every.C
		container, err := c.agent.Tree().NewContainer("storm-"+strconv.Itoa(n), tree.Limits{CPUs: 100, Mem: 32 * resources.Unit})
		if err != nil {
			t.Fatal(err)
		}
		if err := container.Destroy(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d containers", n)
}

// garbage sends 10,000 requests that are none to all three listeners.
func garbage(t *testing.T, c *chaos) {
	requests := 10000
	if !c.long {
		requests = 1000
	}
	before := c.tick(t)
	targets := [][2]string{
		{"unix", filepath.Join(c.dir, "agent.sock")}, {"unix", filepath.Join(c.dir, "operator.sock")}, {"tcp", c.daemon.Address},
	}
	random := rand.NewChaCha8([32]byte{1})
	for i := range requests {
		target := targets[i%len(targets)]
		conn, err := net.DialTimeout(target[0], target[1], 10*time.Second)
		if err != nil {
			continue // turned away, as it should be
		}
		b := make([]byte, 1+rand.N(512))
		_, _ = random.Read(b)
		switch i / len(targets) % 3 {
		case 0:
			b = append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), b...) // then frames that are none
		case 1:
			b = append([]byte("POST /api/v1/pause?for="), b...)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = conn.Write(b)
		_ = conn.Close()
	}
	if after := c.tick(t); after <= before {
		t.Errorf("no tick during %d requests", requests)
	}
}

// tick is the number of the last tick.
func (c *chaos) tick(t *testing.T) uint64 {
	t.Helper()
	var seq uint64
	eventually(t, "status", func() error {
		st, err := c.operator().Status(t.Context())
		if err == nil {
			seq = st.Tick.Seq
		}
		return err
	})
	return seq
}

// slowReaders ask for much and take a byte now and then.
func slowReaders(t *testing.T, c *chaos) {
	before := c.tick(t)
	ctx, stop := context.WithTimeout(t.Context(), c.lasting(5*time.Second, time.Minute))
	defer stop()
	var readers sync.WaitGroup
	for range 40 {
		readers.Go(func() {
			for ctx.Err() == nil {
				conn, err := net.DialTimeout("tcp", c.daemon.Address, time.Second)
				if err != nil {
					time.Sleep(100 * time.Millisecond)
					continue
				}
				_, _ = io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
				for b := make([]byte, 1); err == nil && ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
					_ = conn.SetReadDeadline(time.Now().Add(time.Second))
					_, err = conn.Read(b)
				}
				_ = conn.Close()
			}
		})
	}
	readers.Wait()
	if after := c.tick(t); after <= before {
		t.Error("no tick beside slow readers")
	}
}

// A daemon that hangs answers nothing: the agent has nothing to offer.
func stopDaemon(t *testing.T, c *chaos) {
	pid := c.pid(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	eventually(t, "the agent offers nothing of a daemon that hangs", func() error {
		if free := c.agent.Offer().Free(); !free.IsZero() {
			return fmt.Errorf("%s is free", free)
		}
		return nil
	})
	time.Sleep(c.lasting(6*time.Second, time.Minute))
}

func secondDaemon(t *testing.T, c *chaos) {
	pid := c.pid(t)
	if out, err := c.command("--log-format=json").CombinedOutput(); err == nil || !strings.Contains(string(out), "in use") {
		t.Errorf("a second daemon on the same state: %v\n%s", err, out)
	}
	if now := c.pid(t); now != pid {
		t.Errorf("process %d answers, it was %d", now, pid)
	}
}
