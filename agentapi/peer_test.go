package agentapi

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
)

const (
	clientEnv = "AGENTAPI_TEST_CLIENT_OF"
	nobody    = 65534
)

// clientOfNobody asks for an estimate as another user and prints what came
// back. It becomes that user itself: the test binary lies in a directory that
// others cannot read.
func clientOfNobody(socket string) int {
	if err := syscall.Setgid(nobody); err != nil {
		fmt.Println(err)
		return 1
	}
	if err := syscall.Setuid(nobody); err != nil {
		fmt.Println(err)
		return 1
	}
	c, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = agentv1.NewOversubscriptionClient(c).Estimate(ctx, &agentv1.EstimateRequest{Usage: usageWith()})
	fmt.Printf("%s|%s\n", status.Code(err), status.Convert(err).Message())
	return 0
}

// askAsNobody lets every user reach the socket's directory, and returns what
// the client printed.
func askAsNobody(t *testing.T, path string) (code, text string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	for dir := filepath.Dir(path); dir != os.TempDir() && len(dir) > 1; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // the test needs it
			t.Fatal(err)
		}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), clientEnv+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	code, text, _ = strings.Cut(strings.TrimSpace(string(out)), "|")
	return code, text
}

func TestOtherUsersCannotConnect(t *testing.T) {
	r := start(t, quick(t))
	code, text := askAsNobody(t, r.path)
	if code != codes.Unavailable.String() || !strings.Contains(text, "permission denied") {
		t.Errorf("%s: %s", code, text)
	}
}

// Even on a socket that somebody opened up.
func TestOtherUsersAreRefusedWithAText(t *testing.T) {
	r := start(t, quick(t))
	if err := os.Chmod(r.path, 0o666); err != nil { //nolint:gosec // the test needs it
		t.Fatal(err)
	}
	code, text := askAsNobody(t, r.path)
	if code != codes.PermissionDenied.String() || !strings.Contains(text, "of uid 65534 may not call: this socket is for root") {
		t.Errorf("%s: %s", code, text)
	}
	st := r.Status()
	if st.RefusedPeers != 1 || !strings.Contains(st.LastError.Text, "uid 65534") || st.Agent != "" || r.Usage() != nil {
		t.Errorf("status %+v", st)
	}
	if len(st.Calls) != 1 || st.Calls[0] != (CallCount{Method: "Estimate", Code: "PermissionDenied", N: 1}) {
		t.Errorf("calls %+v", st.Calls)
	}
}

func TestTheAgentsUserMayCall(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving the socket to another user needs root")
	}
	cfg := quick(t)
	cfg.AgentUID = nobody
	r := start(t, cfg)
	if code, text := askAsNobody(t, r.path); code != codes.OK.String() {
		t.Errorf("%s: %s", code, text)
	}
	if u := r.Usage(); u == nil || !strings.HasPrefix(u.Agent, "pid:") || strings.HasSuffix(u.Agent, "?") {
		t.Errorf("usage %+v", u)
	}
}
