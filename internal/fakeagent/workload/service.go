package workload

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// reportEvery is how often a service says what it achieved.
const reportEvery = 250 * time.Millisecond

// Report is what a service achieved since its last report.
type Report struct {
	// At is when the report was received; Wall is the time it covers.
	At   time.Time
	Wall time.Duration
	// Asked and Achieved are in cores.
	Asked, Achieved float64
}

// service burns what it is asked for on in, and reports on out, until in ends.
func service(in io.Reader, out io.Writer, cores, limit float64) error {
	b := newBurner(max(1, int(math.Ceil(min(limit, maxCores)))))
	b.set(cores)
	stop := make(chan struct{})
	failed := make(chan error, 2)
	go func() { failed <- listen(in, b) }()
	go func() { failed <- report(out, b, stop) }()
	var burning sync.WaitGroup
	burning.Go(func() { b.run(stop) })
	err := <-failed
	close(stop)
	burning.Wait()
	return err
}

func listen(in io.Reader, b *burner) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		cores, err := parseCores(lines.Text())
		if err != nil {
			return err
		}
		b.set(cores)
	}
	return lines.Err()
}

func report(out io.Writer, b *burner, stop <-chan struct{}) error {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	last := time.Now()
	var spent, dropped int64
	for {
		select {
		case <-stop:
			return nil
		case <-ticker.C:
		}
		now, s, d := time.Now(), b.spent.Load(), b.dropped.Load()
		line := formatReport(now.Sub(last), time.Duration(s-spent), time.Duration(d-dropped))
		if _, err := io.WriteString(out, line); err != nil {
			return fmt.Errorf("report: %w", err)
		}
		last, spent, dropped = now, s, d
	}
}

// formatReport is the line of a report, in whole microseconds:
// "wall 250012 achieved 74980 dropped 20".
func formatReport(wall, achieved, dropped time.Duration) string {
	return fmt.Sprintf("wall %d achieved %d dropped %d\n", wall.Microseconds(), achieved.Microseconds(), dropped.Microseconds())
}

// parseReport reads what formatReport wrote.
func parseReport(line string, at time.Time) (Report, error) {
	var wall, achieved, dropped int64
	n, err := fmt.Sscanf(line, "wall %d achieved %d dropped %d", &wall, &achieved, &dropped)
	if err != nil || n != 3 || wall <= 0 || achieved < 0 || dropped < 0 {
		return Report{}, fmt.Errorf("%w: %q", errProtocol, line)
	}
	return Report{
		At: at, Wall: time.Duration(wall) * time.Microsecond,
		Asked: float64(achieved+dropped) / float64(wall), Achieved: float64(achieved) / float64(wall),
	}, nil
}
