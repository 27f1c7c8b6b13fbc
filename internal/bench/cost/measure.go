package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/procfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/estimatord/estimatord/internal/control"
	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	mesosv1 "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// cost is what one run came to.
type cost struct {
	share           float64 // of a core
	rss, rssAtStart uint64
	kernel          uint64
	// CPU time of one scrape
	metrics, containers time.Duration
	recorded            string
	// page is what an open page costs more, in % of a core.
	page string
}

// reportEvery is the agent's --oversubscribed_resources_interval.
const reportEvery = 15 * time.Second

// scrapes is over how many scrapes their cost is taken.
const scrapes = 40

func measure(ctx context.Context, o *options, containers int) (c cost, err error) {
	n, err := newNode(containers)
	if n != nil {
		defer func() { err = errors.Join(err, n.remove()) }()
	}
	if err != nil {
		return c, err
	}
	dir, err := os.MkdirTemp("", "cost-*")
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d, err := startDaemon(ctx, o, n, dir)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if o.other != "" {
		err = d.measureAlone(ctx, o, &c)
	} else {
		err = d.measure(ctx, o, &c)
	}
	return c, err
}

// daemon is the daemon that is measured.
type daemon struct {
	node     *node
	cmd      *exec.Cmd
	log      bytes.Buffer
	socket   string
	listen   string
	recorded string
	report   *agentv1.EstimateRequest
}

func startDaemon(ctx context.Context, o *options, n *node, dir string) (*daemon, error) {
	if o.other != "" {
		d := &daemon{node: n}
		err := d.start(o.other, "/"+n.containers.Root())
		return d, err
	}
	d := &daemon{node: n, socket: filepath.Join(dir, "agent.sock"), report: report(n.ids)}
	var err error
	if d.listen, err = freePort(ctx); err != nil {
		return nil, err
	}
	if o.record {
		d.recorded = filepath.Join(dir, "recording")
	}
	err = d.start(o.daemon, "--mode=usage", "--cgroup-root="+n.containers.Mount(),
		"--mesos-cgroups-root="+n.containers.Root(), "--socket="+d.socket, "--listen="+d.listen)
	return d, err
}

// start runs a program in the daemon's cgroup, so that all it uses is charged
// to that.
func (d *daemon) start(binary string, args ...string) error {
	path, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	d.cmd = exec.Command(path, args...)
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	d.cmd.Env = append(os.Environ(), "ESTIMATORD_RECORDING_DIR="+d.recorded) // empty: nothing is recorded
	return d.node.daemon.Start(d.cmd)
}

func freePort(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// stop ends the daemon and waits for it.
func (d *daemon) stop() error {
	_ = d.cmd.Process.Signal(os.Interrupt) // it may have ended already, which Wait tells
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("the daemon: %w\n%s", err, d.log.String())
	}
	return nil
}

// measure lets the daemon run and fills in c.
func (d *daemon) measure(ctx context.Context, o *options, c *cost) error {
	conn, err := grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := agentv1.NewOversubscriptionClient(conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if _, err := d.get(ctx, "/healthz"); err == nil {
			break
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	if c.rssAtStart, err = d.rss(); err != nil {
		return err
	}
	reported := make(chan error, 1)
	go func() { reported <- reportFor(ctx, client, d.report) }()
	if err := d.measureAlone(ctx, o, c); err != nil {
		return err
	}
	if o.page {
		if c.page, err = d.withPage(ctx, o, c.share); err != nil {
			return err
		}
	}
	if c.metrics, err = d.scrape(ctx, "/metrics", c.share); err != nil {
		return err
	}
	if c.containers, err = d.scrape(ctx, "/metrics/containers", c.share); err != nil {
		return err
	}
	if c.recorded, err = d.recordedSize(ctx); err != nil {
		return err
	}
	cancel()
	if err := <-reported; err != nil {
		return fmt.Errorf("a report to the daemon: %w", err)
	}
	return nil
}

// measureAlone fills in what needs no answer.
func (d *daemon) measureAlone(ctx context.Context, o *options, c *cost) (err error) {
	if err := wait(ctx, o.settle); err != nil {
		return err
	}
	before, err := d.cpu()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := wait(ctx, o.measure); err != nil {
		return err
	}
	after, err := d.cpu()
	if err != nil {
		return err
	}
	c.share = (after - before).Seconds() / time.Since(began).Seconds()
	if c.rss, err = d.rss(); err != nil {
		return err
	}
	c.kernel, err = d.kernelMemory()
	return err
}

// withPage measures again while somebody asks what a status page does: all that
// there is at first, and whenever more than readings has changed, and the ticks.
func (d *daemon) withPage(ctx context.Context, o *options, without float64) (string, error) {
	client := control.Client(filepath.Join(filepath.Dir(d.socket), "operator.sock"))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	followed := make(chan error, 1)
	go func() {
		var seen uint64
		followed <- client.Follow(ctx, func(u *control.Update) error {
			if u.Revision == seen {
				return nil
			}
			seen = u.Revision
			_, err := client.Status(ctx)
			return err
		})
	}()
	var c cost
	if err := d.measureAlone(ctx, o, &c); err != nil {
		return "", err
	}
	select {
	case err := <-followed:
		return "", fmt.Errorf("follow the daemon: %w", err)
	default:
		return strconv.FormatFloat(100*(c.share-without), 'f', 2, 64), nil
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// report is what an agent says of the containers.
func report(ids []string) *agentv1.EstimateRequest {
	scalar := func(name string, value float64) *mesosv1.Resource {
		return &mesosv1.Resource{
			Name: proto.String(name), Type: mesosv1.Value_SCALAR.Enum(), Scalar: &mesosv1.Value_Scalar{Value: proto.Float64(value)},
		}
	}
	u := &mesosv1.ResourceUsage{Total: []*mesosv1.Resource{scalar("cpus", float64(len(ids))), scalar("mem", float64(1024*len(ids)))}}
	for i, id := range ids {
		u.Executors = append(u.Executors, &mesosv1.ResourceUsage_Executor{
			ExecutorInfo: &mesosv1.ExecutorInfo{
				ExecutorId:  &mesosv1.ExecutorID{Value: proto.String("task-" + id)},
				FrameworkId: &mesosv1.FrameworkID{Value: proto.String("c7a1e0b2-8d4f-4d0c-a2f7-5b0f6f2f8c11-" + strconv.Itoa(i%10))},
				Source:      proto.String("task-" + id),
			},
			ContainerId: &mesosv1.ContainerID{Value: proto.String(id)},
			Allocated:   []*mesosv1.Resource{scalar("cpus", 0.5), scalar("mem", 512)},
		})
	}
	return &agentv1.EstimateRequest{Usage: u}
}

func reportFor(ctx context.Context, client agentv1.OversubscriptionClient, r *agentv1.EstimateRequest) error {
	for {
		if _, err := client.Estimate(ctx, r); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(reportEvery):
		}
	}
}

// cpu is the CPU time of the daemon's cgroup.
func (d *daemon) cpu() (time.Duration, error) { return d.node.daemon.CPUTime() }

// kernelMemory is what the kernel keeps for the daemon: descriptors and the
// buffers of the files it reads, above all.
func (d *daemon) kernelMemory() (uint64, error) {
	dir := d.node.beside.Dir("memory", d.node.daemon.ID())
	if d.node.beside.V2() {
		return keyed(filepath.Join(dir, "memory.stat"), "kernel")
	}
	text, err := os.ReadFile(filepath.Join(dir, "memory.kmem.usage_in_bytes"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

func (d *daemon) rss() (uint64, error) {
	p, err := procfs.NewProc(d.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Stat()
	return uint64(stat.ResidentMemory()), err
}

// scrape is the CPU time of one scrape, beyond what the daemon does meanwhile.
func (d *daemon) scrape(ctx context.Context, path string, share float64) (time.Duration, error) {
	before, err := d.cpu()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for range scrapes {
		if _, err := d.get(ctx, path); err != nil {
			return 0, err
		}
		// Across some ticks, whose part is known, with caches that went cold.
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return 0, err
		}
	}
	after, err := d.cpu()
	if err != nil {
		return 0, err
	}
	ticks := time.Duration(share * float64(time.Since(began)))
	return max(0, after-before-ticks) / scrapes, nil
}

// get reads a page of the daemon.
func (d *daemon) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.listen+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req) // asks for gzip, as Prometheus does
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, resp.Status)
	}
	return body, err
}

// recordedSize is the bytes of the recording per container and tick.
func (d *daemon) recordedSize(ctx context.Context) (string, error) {
	if d.recorded == "" {
		return "", nil
	}
	page, err := d.get(ctx, "/metrics")
	if err != nil {
		return "", err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(page))
	if err != nil {
		return "", err
	}
	total := func(name string) float64 {
		sum := 0.0
		for _, m := range families[name].GetMetric() {
			sum += m.GetCounter().GetValue()
		}
		return sum
	}
	perTick := total("estimatord_recording_bytes_total") / total("estimatord_recording_ticks_total")
	return strconv.FormatFloat(perTick/float64(len(d.node.ids)), 'f', 1, 64), nil
}

// keyed is the number after key.
func keyed(path, key string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == key {
			return strconv.ParseUint(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s lacks %s", path, key)
}
