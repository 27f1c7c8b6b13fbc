package prekill_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/estimatord/estimatord/agentapi/prekill"
)

// A framework's listener behind hook.socket: it reads a warning, saves what it
// has, and answers.
func Example_socket() {
	dir, err := os.MkdirTemp("", "hook") // belongs to the framework's user alone
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := net.Listen("unix", filepath.Join(dir, "warn.sock"))
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()

	go warnAs(l.Addr().String()) // what the daemon does

	conn, err := l.Accept()
	if err != nil {
		panic(err)
	}
	defer func() { _ = conn.Close() }()
	line, err := bufio.NewReaderSize(conn, 64<<10).ReadBytes('\n')
	if err != nil {
		panic(err)
	}
	var w prekill.Warning
	if err := json.Unmarshal(line, &w); err != nil {
		panic(err)
	}
	fmt.Printf("saving the work of %s within %v s\n", w.ExecutorID, w.DeadlineSeconds)
	if _, err := fmt.Fprintln(conn, "done"); err != nil {
		panic(err)
	}
	// Output: saving the work of be-1 within 5 s
}
