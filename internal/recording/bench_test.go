package recording

import (
	"strconv"
	"testing"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// BenchmarkRecord is what the loop's goroutine pays for a tick; what the disk's
// side pays is BenchmarkCompress.
func BenchmarkRecord(b *testing.B) {
	for _, containers := range []int{50, 100, 1000} {
		b.Run(strconv.Itoa(containers), func(b *testing.B) {
			history := small(containers, 14) // of one report
			var f framer
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := f.add(tickOf(history[i%len(history)])); err != nil {
					b.Fatal(err)
				}
				if f.ticks == 15 {
					f.take()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(containers), "ns/container")
		})
	}
}

// BenchmarkCompress is frames of 15 ticks, as written every 15 seconds: their
// size, and what compressing them costs.
func BenchmarkCompress(b *testing.B) {
	for _, containers := range []int{50, 100, 1000} {
		b.Run(strconv.Itoa(containers), func(b *testing.B) {
			const ticks, count = 15, 20
			n := newNode(containers)
			var f framer
			var frames []frame
			for len(frames) < count {
				over, err := f.add(tickOf(n.tick()))
				if err != nil {
					b.Fatal(err)
				}
				if f.ticks == ticks {
					over = f.take()
				}
				if over.ticks > 0 {
					frames = append(frames, over)
				}
			}
			zip, err := newZip()
			if err != nil {
				b.Fatal(err)
			}
			raw, packed := 0, 0
			var buf []byte
			for _, f := range frames {
				buf = pack(buf[:0], zip, f.raw)
				raw += len(f.raw)
				packed += len(buf)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				buf = pack(buf[:0], zip, frames[i%len(frames)].raw)
			}
			all := float64(count * ticks * containers)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/ticks/float64(containers), "ns/container")
			b.ReportMetric(float64(raw)/all, "raw-B/container")
			b.ReportMetric(float64(packed)/all, "B/container")
		})
	}
}

// BenchmarkDecode reads a recording of an hour.
func BenchmarkDecode(b *testing.B) {
	n := newNode(50)
	dir := b.TempDir()
	history := make([]*snapshot.Snapshot, 0, 3600)
	for range cap(history) {
		history = append(history, clone(n.tick()))
	}
	record(b, dir, Options{}, history)
	r, err := Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range r.All() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/3600/50, "ns/container")
}
