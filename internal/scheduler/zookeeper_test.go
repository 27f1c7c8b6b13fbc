package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// zookeeper starts Debian's ZooKeeper on loopback, and returns its address.
func zookeeper(t *testing.T) string {
	t.Helper()
	const jar = "/usr/share/java/zookeeper.jar"
	java, err := exec.LookPath("java")
	if _, there := os.Stat(jar); err != nil || there != nil {
		t.Skip("needs Debian's zookeeper: ", errors.Join(err, there))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s/data\nclientPortAddress=127.0.0.1\nclientPort=%s\nadmin.enableServer=false\ntickTime=2000\n",
		dir, address[strings.LastIndex(address, ":")+1:])
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	cmd := exec.Command(java, "-Xmx128m", "-cp", jar, "org.apache.zookeeper.server.ZooKeeperServerMain", config)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return address
}

// register writes nodes as masters do, which end with the connection.
func register(t *testing.T, address, under string, nodes map[string]string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{address}, 10*time.Second, zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	late := time.After(2 * time.Minute) // Java starts slowly
	for conn.State() != zk.StateHasSession {
		select {
		case <-events:
		case <-late:
			t.Fatal("ZooKeeper does not start")
		}
	}
	if _, err := conn.Create(under, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
		t.Fatal(err)
	}
	for name, text := range nodes {
		if _, err := conn.Create(under+"/"+name, []byte(text), zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

func TestZooKeeper(t *testing.T) {
	address := zookeeper(t)
	leader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, recorded(t, "rescind/events.recordio"))
	}))
	defer leader.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(leader.URL, "http://"), ":")
	info := func(port string) string {
		return `{"address":{"hostname":"localhost","ip":"127.0.0.1","port":` + port + `},"hostname":"localhost","id":"x","pid":"master@127.0.0.1:1","port":1,"version":"1.12.0"}`
	}
	first := register(t, address, "/mesos", map[string]string{"json.info_0000000007": info("1"), "log_replicas": "", "info_0000000003": "\x08"})
	register(t, address, "/mesos", map[string]string{"json.info_0000000011": info(port)})
	find := func(path string, within time.Duration) (string, error) {
		m, err := ParseMasters("zk://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		found, err := m.candidates(ctx)
		return strings.Join(found, ","), err
	}
	if found, err := find("/mesos", time.Minute); err != nil || found != "http://127.0.0.1:1" {
		t.Errorf("the leader is %q, %v", found, err)
	}
	// The leader dies, and its node with it: the next one leads.
	first.Close()
	m, err := ParseMasters("zk://" + address + "/mesos")
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(m, 30*time.Second)
	defer c.Close()
	s, err := c.Subscribe(soon(t, time.Minute), FrameworkInfo{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	// What is not there, empty or no master.
	register(t, address, "/empty", nil)
	register(t, address, "/garbled", map[string]string{"json.info_0000000001": "{"})
	register(t, address, "/without", map[string]string{"json.info_0000000001": "{}"})
	for path, says := range map[string]string{
		"/nowhere": "node does not exist", "/empty": "no master is registered", "/garbled": "unexpected end of JSON", "/without": "no address",
	} {
		if found, err := find(path, time.Minute); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %q, %v", path, found, err)
		}
	}
}

// An ensemble that is not there, or says nothing, is an error in time.
func TestAbsentZooKeeper(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // accepts and says nothing
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = dead.Close()
	for name, address := range map[string]string{"silent": l.Addr().String(), "dead": dead.Addr().String(), "no such host": "no-such-host.invalid:2181"} {
		m, err := ParseMasters("zk://" + address + "/mesos")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			c := NewClient(m, time.Second)
			defer c.Close()
			_, err := c.Subscribe(soon(t, time.Second), FrameworkInfo{})
			ended <- err
		}()
		select {
		case err := <-ended:
			if !errors.Is(err, ErrLeader) || !strings.Contains(err.Error(), address) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: no end", name)
		}
	}
}
