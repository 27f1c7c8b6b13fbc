package control

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	operatorv1 "github.com/estimatord/estimatord/proto/estimatord/operator/v1"
)

var (
	// ErrNoDaemon says that nobody serves the socket.
	ErrNoDaemon = errors.New("no daemon answers")
	// ErrRefused says that the caller may not call.
	ErrRefused = errors.New("not permitted")
)

// callWait bounds a call: the daemon answers from memory.
const callWait = 5 * time.Second

// Call calls the daemon behind socket once, and says in plain words when that
// does not work.
func Call[Req, Resp any](
	ctx context.Context, socket string,
	method func(operatorv1.OperatorClient, context.Context, *Req, ...grpc.CallOption) (*Resp, error),
) (*Resp, error) {
	// gRPC hides why a connection cannot be made behind its tries to make it.
	if err := reachable(socket); err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	resp, err := method(operatorv1.NewOperatorClient(conn), ctx, new(Req))
	switch status.Code(err) {
	case codes.OK:
		return resp, nil
	case codes.PermissionDenied:
		return nil, fmt.Errorf("%w: %s", ErrRefused, status.Convert(err).Message())
	case codes.Unavailable, codes.DeadlineExceeded:
		return nil, fmt.Errorf("%w on %s: %s", ErrNoDaemon, socket, status.Convert(err).Message())
	default:
		return nil, errors.New(status.Convert(err).Message())
	}
}

func reachable(socket string) error {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer func() { _ = syscall.Close(fd) }()
	err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket})
	switch {
	case err == nil, errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINPROGRESS):
		return nil
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("%w: there is no socket %s (is estimatord running, and operator_socket the same there?)", ErrNoDaemon, socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on %s: it was left behind by a daemon that is gone", ErrNoDaemon, socket)
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%w: %s is for root and the daemon's own user", ErrRefused, socket)
	default:
		return fmt.Errorf("%s: %w", socket, err)
	}
}
