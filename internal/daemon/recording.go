package daemon

import (
	"errors"
	"log/slog"
	"time"

	"github.com/estimatord/estimatord/internal/config"
	"github.com/estimatord/estimatord/internal/decision"
	"github.com/estimatord/estimatord/internal/recording"
	"github.com/estimatord/estimatord/internal/rotate"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// recorder records what the daemon sees. It is a tick.Observer.
type recorder struct {
	dir    string
	writer *recording.Writer
	// begins is what the daemon began with, until that is recorded.
	begins *recording.Start

	log *slog.Logger
	// logged is when ticks were last said to be missing.
	logged time.Time
}

// logMissingEvery is how often missing ticks are worth a line.
const logMissingEvery = time.Minute

func newRecorder(cfg *config.Config, begins *recording.Start, log *slog.Logger) (*recorder, error) {
	total := int64(cfg.Recording.MaxMiB) << 20
	w, err := recording.Create(cfg.Recording.Dir, recording.Options{
		MaxTotalBytes: total, MaxFileBytes: min(recording.DefaultMaxFileBytes, total/4), MaxAge: cfg.Recording.MaxAge,
	}, log)
	if err != nil {
		return nil, err
	}
	log.Info("recording", "dir", cfg.Recording.Dir)
	return &recorder{dir: cfg.Recording.Dir, writer: w, begins: begins, log: log}, nil
}

// Observe records one tick.
func (r *recorder) Observe(tick *decision.Record, s *snapshot.Snapshot) {
	err := r.writer.Record(&recording.Tick{Snapshot: s, Wall: s.At, Inputs: recording.InputsOf(tick, r.begins)})
	if err == nil || errors.Is(err, rotate.ErrBehind) {
		r.begins = nil
	}
	if err != nil && s.At.Sub(r.logged) >= logMissingEvery {
		r.logged = s.At
		r.log.Warn("ticks not recorded", "err", err)
	}
}

func (r *recorder) stop() {
	if err := r.writer.Close(); err != nil {
		r.log.Error("the recording may lack its end", "err", err)
	}
	st := r.writer.Stats()
	r.log.Info("recorded", "dir", r.dir, "ticks", st.Written, "bytes", st.Bytes, "missing", st.Behind+st.Lost+st.Refused)
}
