package workload

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// Driver is the other end of a running service.
type Driver struct {
	in  io.WriteCloser
	out io.ReadCloser

	mu      sync.Mutex
	reports []Report
	err     error
}

// Drive connects a service's command to a Driver, before it is started.
func Drive(cmd *exec.Cmd) (*Driver, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("drive a service: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("drive a service: %w", err)
	}
	return &Driver{in: in, out: out}, nil
}

// Read keeps the service's reports until it ends. It is to be called once,
// after the start, on a goroutine of its own.
func (d *Driver) Read() {
	lines := bufio.NewScanner(d.out)
	for lines.Scan() {
		r, err := parseReport(lines.Text(), time.Now())
		d.mu.Lock()
		if err != nil {
			d.err = err
		} else {
			d.reports = append(d.reports, r)
		}
		d.mu.Unlock()
	}
}

// SetCores asks the service for another load.
func (d *Driver) SetCores(cores float64) error {
	if _, err := fmt.Fprintf(d.in, "cores %s\n", decimal(cores)); err != nil {
		return fmt.Errorf("drive a service: %w", err)
	}
	return nil
}

// Between sums the reports that cover times from one on and up to the other.
// ok is false when there are none.
func (d *Driver) Between(from, to time.Time) (sum Report, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var asked, achieved float64
	for _, r := range d.reports {
		if r.At.Add(-r.Wall).Before(from) || r.At.After(to) {
			continue
		}
		sum.At = r.At
		sum.Wall += r.Wall
		asked += r.Asked * r.Wall.Seconds()
		achieved += r.Achieved * r.Wall.Seconds()
	}
	if sum.Wall == 0 {
		return Report{}, false
	}
	sum.Asked, sum.Achieved = asked/sum.Wall.Seconds(), achieved/sum.Wall.Seconds()
	return sum, true
}

// Last is the newest report.
func (d *Driver) Last() (Report, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.reports) == 0 {
		return Report{}, false
	}
	return d.reports[len(d.reports)-1], true
}

// Err is what was wrong with the last line that could not be read.
func (d *Driver) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}
