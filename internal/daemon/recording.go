package daemon

import (
	"errors"
	"log/slog"
	"time"

	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/replay"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Recording is where the daemon records. It is a tick.Observer, which remembers
// what a tick was decided on, and a tick.Watcher, which records it.
type Recording struct {
	Dir     string
	Options recording.Options

	writer *recording.Writer
	// begins is what the daemon began with, until that is recorded.
	begins *recording.Start
	last   *decision.Record

	log *slog.Logger
	// behind and refused are when the last tick was said to be missing.
	behind, refused time.Time
}

// sayEvery is how often a missing tick is worth a line.
const sayEvery = time.Minute

func (r *Recording) start(begins *recording.Start, log *slog.Logger) (err error) {
	r.log, r.begins = log, begins
	if r.writer, err = recording.Create(r.Dir, r.Options, log); err != nil {
		return err
	}
	log.Info("recording", "dir", r.Dir)
	return nil
}

// Observe remembers the tick's record until its snapshot comes.
func (r *Recording) Observe(tick *decision.Record) { r.last = tick }

// Watch records one tick.
func (r *Recording) Watch(s *snapshot.Snapshot) {
	var in *recording.Inputs
	if r.last != nil && r.last.Seq == s.Seq {
		in = replay.InputsOf(r.last, r.begins)
	}
	err := r.writer.RecordTick(s, in)
	last := &r.refused
	switch {
	case err == nil:
		r.begins = nil
		return
	case errors.Is(err, recording.ErrPaused): // the error itself was logged
		return
	case errors.Is(err, recording.ErrBehind):
		last = &r.behind
	}
	if s.At.Sub(*last) < sayEvery {
		return
	}
	*last = s.At
	r.log.Warn("tick not recorded", "err", err)
}

func (r *Recording) stop() {
	if err := r.writer.Close(); err != nil {
		r.log.Error("the recording may lack its end", "err", err)
	}
	st := r.writer.Stats()
	r.log.Info("recorded", "dir", r.Dir, "ticks", st.Ticks, "bytes", st.Bytes, "missing", st.Behind+st.Lost+st.Refused)
}
