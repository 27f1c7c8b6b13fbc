package workload

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"runtime"
)

// BurnerBytes is the anonymous memory that a started burner holds.
const BurnerBytes = 32 << 20

// touchBytes is the memory that a toucher takes more at each step.
const touchBytes = 1 << 20

// Stepper is a running process that does something each time it is asked to.
type Stepper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// StartBurner starts a process that at its first step takes BurnerBytes and
// then keeps one processor busy.
func StartBurner() (*Stepper, error) { return startStepper(kindBurner) }

// StartToucher starts a process that touches 1 MiB more of memory at each step.
// Moved through many containers, it leaves memory and CPU time of its own in
// each of them, as a process of their own would, for the price of one.
func StartToucher() (*Stepper, error) { return startStepper(kindToucher) }

func startStepper(kind string) (*Stepper, error) {
	cmd, err := command(kind)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("workload: %w", err)
	}
	return &Stepper{cmd: cmd, in: in, out: bufio.NewReader(out)}, cmd.Start()
}

// Pid is the process.
func (s *Stepper) Pid() int { return s.cmd.Process.Pid }

// Step asks for a step and waits until it is done.
func (s *Stepper) Step() error {
	if _, err := io.WriteString(s.in, "go\n"); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	if _, err := s.out.ReadString('\n'); err != nil {
		return fmt.Errorf("workload: %w", err)
	}
	return nil
}

// Stop kills the process.
func (s *Stepper) Stop() {
	_ = s.cmd.Process.Kill() // it may have ended
	_ = s.cmd.Wait()         // it was killed
}

// runBurner waits for a line, touches its memory, says so, and spins.
func runBurner(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
		return err
	}
	memory := make([]byte, BurnerBytes)
	touch(memory)
	if _, err := fmt.Fprintln(out, "burning"); err != nil {
		return err
	}
	for n := 0; ; n++ {
		memory[n%len(memory)]++
	}
}

// runToucher touches more memory for each line, until there is none.
func runToucher(in io.Reader, out io.Writer) error {
	var memory [][]byte
	for lines := bufio.NewScanner(in); ; {
		if !lines.Scan() {
			return lines.Err()
		}
		chunk := make([]byte, touchBytes)
		touch(chunk)
		memory = append(memory, chunk)
		if _, err := fmt.Fprintln(out, "touched", len(memory)); err != nil {
			return err
		}
	}
}

// touch writes to each page.
func touch(memory []byte) {
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}
