package recording

import (
	"strconv"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// BenchmarkRecord is what the loop's goroutine pays for a tick; what the disk's
// side pays is BenchmarkCompress.
func BenchmarkRecord(b *testing.B) {
	for _, containers := range []int{50, 100, 1000} {
		b.Run(strconv.Itoa(containers), func(b *testing.B) {
			n := newNode(containers)
			history := make([]*snapshot.Snapshot, 14) // of one report
			for i := range history {
				history[i] = clone(n.tick())
			}
			w := &Writer{}
			w.state.reset(false)
			buf := make([]byte, 0, 1<<20)
			if _, err := w.encode(buf, history[0], nil); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				if _, err := w.encode(buf, history[i%len(history)], nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(containers), "ns/container")
		})
	}
}

// BenchmarkCompress is blocks of ten ticks, as written every ten seconds: their
// size, and what compressing them costs.
func BenchmarkCompress(b *testing.B) {
	for _, containers := range []int{50, 100, 1000} {
		b.Run(strconv.Itoa(containers), func(b *testing.B) {
			n := newNode(containers)
			w := &Writer{}
			w.state.reset(false)
			const ticks = 10
			var blocks [][]byte
			for i := range 31 * ticks {
				tick, err := w.encode(nil, n.tick(), nil)
				if err != nil {
					b.Fatal(err)
				}
				if i%ticks == 0 {
					blocks = append(blocks, nil)
				}
				blocks[len(blocks)-1] = append(blocks[len(blocks)-1], tick...)
			}
			blocks = blocks[1:] // the first holds every string
			d := &disk{w: w}
			if err := d.makeEncoder(); err != nil {
				b.Fatal(err)
			}
			raw, packed := 0, 0
			for _, block := range blocks {
				d.packed = d.zip.EncodeAll(block, d.packed[:0])
				raw += len(block)
				packed += len(d.packed) + frameHeaderBytes
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				d.packed = d.zip.EncodeAll(blocks[i%len(blocks)], d.packed[:0])
			}
			all := float64(len(blocks) * ticks * containers)
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
	record(b, dir, Options{FlushEvery: time.Hour}, history)
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
