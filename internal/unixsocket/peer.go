package unixsocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// Peer is the process at the other end of a connection, as the kernel knew
// it when it connected (SO_PEERCRED, unix(7)).
type Peer struct {
	credentials.CommonAuthInfo
	PID      int32
	UID, GID uint32
	// Process tells it apart from a later one with the same pid:
	// "pid:<pid>@<start time>".
	Process string
}

// AuthType implements credentials.AuthInfo.
func (*Peer) AuthType() string { return "so_peercred" }

// String names the process for people.
func (c *Peer) String() string {
	if c == nil {
		return "an unknown process"
	}
	return fmt.Sprintf("pid %d of uid %d", c.PID, c.UID)
}

// PeerOf is the process behind a call, nil when it is not known.
func PeerOf(ctx context.Context) *Peer {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	c, _ := p.AuthInfo.(*Peer)
	return c
}

// Credentials are transport credentials that ask the kernel who called.
// They refuse nobody: a failed handshake looks like a broken connection to the
// client, which would try again for ever without knowing why. The
// server refuses with a text.
type Credentials struct {
	// ProcRoot is where procfs is mounted.
	ProcRoot string
}

// ClientHandshake implements credentials.TransportCredentials.
func (Credentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("these credentials are a server's")
}

// ServerHandshake implements credentials.TransportCredentials.
func (p Credentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	peer, err := PeerOfConn(c, p.ProcRoot)
	if err != nil {
		return nil, nil, err
	}
	return c, peer, nil
}

// PeerOfConn is the process at the other end of a Unix socket's connection.
func PeerOfConn(c net.Conn, procRoot string) (*Peer, error) {
	for inner, ok := c.(interface{ NetConn() net.Conn }); ok; inner, ok = c.(interface{ NetConn() net.Conn }) {
		c = inner.NetConn() // of what limits connections
	}
	uc, ok := c.(syscall.Conn)
	if !ok || c.LocalAddr().Network() != "unix" {
		return nil, fmt.Errorf("no Unix socket: %T", c)
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return nil, err
	}
	if credErr != nil {
		return nil, fmt.Errorf("SO_PEERCRED: %w", credErr)
	}
	return &Peer{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		PID:            cred.Pid, UID: cred.Uid, GID: cred.Gid,
		Process: processID(procRoot, cred.Pid),
	}, nil
}

// Info implements credentials.TransportCredentials.
func (Credentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "so_peercred"}
}

// Clone implements credentials.TransportCredentials.
func (p Credentials) Clone() credentials.TransportCredentials { return p }

// OverrideServerName implements credentials.TransportCredentials.
func (Credentials) OverrideServerName(string) error { return nil }

// processID is "pid:<pid>@<start time>", with the start time in clock ticks
// since boot (proc_pid_stat(5)). A process that cannot be seen (it is gone, or in
// a PID namespace outside ours) has "?" there.
func processID(procRoot string, pid int32) string {
	start := "?"
	if fs, err := procfs.NewFS(procRoot); err == nil {
		if p, err := fs.Proc(int(pid)); err == nil {
			if stat, err := p.Stat(); err == nil {
				start = strconv.FormatUint(stat.Starttime, 10)
			}
		}
	}
	return fmt.Sprintf("pid:%d@%s", pid, start)
}
