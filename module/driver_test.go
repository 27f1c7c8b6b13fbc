package module_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// result is how a call ended, in the words of test/driver.cpp.
type result struct {
	Ending string
	// Values are those of field 1 of the answer.
	Values []string
	// Status is the grpc-status of a refusal.
	Status string
	// Error is the line for the log.
	Error string
}

// driver is the C++ transport in a process of its own (test/driver.cpp).
type driver struct {
	*pipe
	next int
}

func startDriver(t *testing.T, programs, socket string) *driver {
	t.Helper()
	d := &driver{pipe: startPipe(t, filepath.Join(programs, "driver"), socket)}
	d.expect("ok")
	return d
}

// call starts a call and returns its name.
func (d *driver) call(rpc string, timeout time.Duration, usage *wire.ResourceUsage) string {
	d.t.Helper()
	body, err := proto.Marshal(usage)
	if err != nil {
		d.t.Fatal(err)
	}
	file := filepath.Join(d.t.TempDir(), "usage")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.next++
	name := fmt.Sprintf("c%d", d.next)
	d.send("call %s %s %d %s", name, rpc, timeout.Milliseconds(), file)
	return name
}

// wait returns how a call ended.
func (d *driver) wait(name string) result {
	d.t.Helper()
	return d.parse(d.done(name))
}

func (d *driver) parse(rest string) result {
	d.t.Helper()
	ending, rest, _ := strings.Cut(rest, " ")
	switch ending {
	case "answered":
		r := result{Ending: ending}
		for _, field := range strings.Fields(rest) {
			if field == "-" {
				r.Values = append(r.Values, "")
				continue
			}
			value, err := hex.DecodeString(field)
			if err != nil {
				d.t.Fatal(err)
			}
			r.Values = append(r.Values, string(value))
		}
		return r
	case "undecodable":
		return result{Ending: ending, Error: rest}
	default:
		status, text, _ := strings.Cut(rest, " ")
		return result{Ending: ending, Status: status, Error: text}
	}
}

// do makes a call and waits for its end.
func (d *driver) do(rpc string, timeout time.Duration, usage *wire.ResourceUsage) result {
	d.t.Helper()
	return d.wait(d.call(rpc, timeout, usage))
}

func (d *driver) cancel(name string) {
	d.t.Helper()
	d.send("cancel %s", name)
}
