package unixsocket

import (
	"cmp"
	"context"
	"time"

	"google.golang.org/grpc"
)

// Serving is how a gRPC server runs on a Listener.
type Serving struct {
	Server *grpc.Server
	// Stopping is called when no more calls are taken, so that those which wait
	// end by themselves; nil: there are none.
	Stopping func()
	// DrainFor is how long calls may take to end after that. One that goes on
	// for ever (a health watch, a stuck client) is cut.
	DrainFor time.Duration
}

// Serve answers until ctx ends, lets calls finish, and removes the socket.
// stopped is why it ended before ctx did, remains why the socket is still
// there; nil when that is not so.
func (l *Listener) Serve(ctx context.Context, s Serving) (stopped, remains error) {
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		err = s.Server.Serve(l)
	}()
	select {
	case <-done:
		stopped = cmp.Or(err, grpc.ErrServerStopped)
	case <-ctx.Done():
	}
	if s.Stopping != nil {
		s.Stopping()
	}
	// Before the listener closes, see Remove.
	remains = l.Remove()
	cut := time.AfterFunc(s.DrainFor, s.Server.Stop)
	defer cut.Stop()
	s.Server.GracefulStop()
	<-done
	return stopped, remains
}
