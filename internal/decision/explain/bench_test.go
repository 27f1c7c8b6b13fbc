package explain_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/decision/explain"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// BenchmarkExplain asks about the oldest kill, a container that is alive and one
// that nobody knows, in a full log: 256 MiB of compressed files, as
// decisions.max_mib has it by default.
func BenchmarkExplain(b *testing.B) {
	s := newStory(b)
	s.scene()
	s.ticks(2)
	s.end("aaaa-hog")
	s.busy = 1
	for i := range 10 {
		s.run(fmt.Sprint("eeee-", i), "batch", snapshot.ClassRevocable, 0.1)
	}
	files := func() []string {
		all, err := filepath.Glob(filepath.Join(s.dir, "*.jsonl*"))
		if err != nil {
			b.Fatal(err)
		}
		return all
	}
	for len(files()) < 3 {
		s.ticks(1000)
		time.Sleep(20 * time.Millisecond) // for the queue of the writer
	}
	if err := s.w.Close(); err != nil {
		b.Fatal(err)
	}
	// One file stands for all between the oldest and the newest.
	all := files()
	info, err := os.Stat(all[1])
	if err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(all[2], filepath.Join(s.dir, "99999999-newest.jsonl")); err != nil {
		b.Fatal(err)
	}
	n := 256 << 20 / int(info.Size())
	for i := range n {
		if err := os.Link(all[1], filepath.Join(s.dir, fmt.Sprintf("%08d-x.jsonl.zst", 100+i))); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d files of %d bytes", n, info.Size())
	for name, ask := range map[string]func(*explain.Log) error{
		"offer":            func(l *explain.Log) error { _, err := l.Offer(); return err },
		"the oldest kill":  func(l *explain.Log) error { _, err := l.Kill("aaaa"); return err },
		"why-not":          func(l *explain.Log) error { _, err := l.WhyNot("eeee-1"); return err },
		"a stranger":       func(l *explain.Log) error { _, _ = l.WhyNot("zzzz"); return nil },
		"a stranger's end": func(l *explain.Log) error { _, _ = l.Kill("zzzz"); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				l, err := explain.Open(s.dir, time.Time{})
				if err == nil {
					err = ask(l)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
