package recording

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/estimatord/estimatord/internal/recording/recordingpb"
	"github.com/estimatord/estimatord/internal/snapshot"
)

// Limits, which bound the memory that reading any file can take.
const (
	// maxFrame is the size of a frame before compression, and so of a tick.
	maxFrame = 8 << 20
	// maxContainers is the number of containers, and of executors, in a tick.
	maxContainers = 1 << 14
	// maxMessages is the number of messages in a frame: an empty one takes two
	// bytes in the file and some hundred in memory.
	maxMessages = 1 << 18
)

// frame is ticks of the same containers and the same report, as a pb.Frame.
type frame struct {
	raw   []byte
	ticks int
	// at is the time of the first tick.
	at time.Time
}

// framer puts ticks together to frames. Marshalled messages that follow each
// other are one message that has the fields of all.
type framer struct {
	codec codec
	frame
	// head is how raw begins: the report and the containers.
	head []byte
	// report is the marshalled report of seen.
	report []byte
	seen   *snapshot.Usage
}

// add adds a tick. It returns the frame that is over because this tick is of
// other containers or of another report, or cannot be recorded.
func (f *framer) add(t *Tick) (over frame, err error) {
	if f.codec.base.IsZero() {
		f.codec.base = t.At
	}
	head := f.head
	if !f.continues(t.Snapshot) {
		if head, err = f.headOf(t.Snapshot); err != nil {
			return f.take(), err
		}
	}
	if f.ticks == 0 || !bytes.Equal(head, f.head) {
		over = f.take()
		f.head, f.frame = head, frame{raw: bytes.Clone(head), at: t.At}
		f.codec.begin(len(t.Containers))
	}
	p := &pb.Tick{}
	f.codec.tick(p, t)
	if err := f.codec.failed(); err != nil {
		if f.ticks > 0 {
			over = f.take()
		}
		return over, err
	}
	before := len(f.raw)
	f.raw, err = proto.MarshalOptions{}.MarshalAppend(f.raw, &pb.Frame{Ticks: []*pb.Tick{p}})
	if err == nil && len(f.raw) > maxFrame {
		err = fmt.Errorf("%w: %d bytes", ErrTooLarge, len(f.raw))
	}
	if err != nil {
		f.raw = f.raw[:before]
		if f.ticks > 0 {
			over = f.take()
		}
		return over, err
	}
	f.ticks++
	return over, nil
}

// continues reports whether the containers and the report are those of the tick
// before, nearly always.
func (f *framer) continues(s *snapshot.Snapshot) bool {
	return f.ticks > 0 && s.Usage == f.seen && slices.EqualFunc(s.Containers, f.codec.containers, func(a, b snapshot.Container) bool {
		return a.Key == b.Key && a.Parent == b.Parent && a.OnDisk == b.OnDisk && a.Executor == b.Executor && a.FirstSeen.Equal(b.FirstSeen)
	})
}

// take ends the frame and returns it; it has no ticks when none was begun.
func (f *framer) take() frame {
	over := f.frame
	f.frame = frame{}
	return over
}

// headOf is what the ticks of a frame have in common.
func (f *framer) headOf(s *snapshot.Snapshot) ([]byte, error) {
	if len(s.Containers) > maxContainers || s.Usage != nil && len(s.Usage.Executors) > maxContainers {
		return nil, fmt.Errorf("%w: more than %d containers or executors", ErrTooLarge, maxContainers)
	}
	c := &f.codec
	if s.Usage != f.seen || c.executors == nil {
		f.seen, c.executors = s.Usage, make(map[*snapshot.Executor]uint32)
		p := &pb.Frame{}
		if u := s.Usage; u != nil {
			p.Usage = &pb.Usage{}
			c.report(p.GetUsage(), u)
			for i := range u.Executors {
				c.executors[&u.Executors[i]] = uint32(i + 1) //nolint:gosec // at most maxContainers
			}
		}
		var err error
		if f.report, err = proto.Marshal(p); err != nil {
			f.seen, c.executors = nil, nil
			return nil, err
		}
	}
	p := &pb.Frame{}
	list(c, &p.Containers, &s.Containers, c.container)
	if err := c.failed(); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(bytes.Clone(f.report), p)
}

// room is for two snapshots, which are filled in turn: one is valid until the one
// after the next.
type room struct {
	slots [2]snapshot.Snapshot
	n     int
}

func (r *room) next() *snapshot.Snapshot {
	r.n++
	return &r.slots[r.n%len(r.slots)]
}

// unframe reads the ticks of a frame one by one, until yield returns false.
func unframe(raw []byte, into *room, yield func(Tick) bool) (more bool, err error) {
	p := &pb.Frame{}
	n, err := countMessages(raw, p.ProtoReflect().Descriptor())
	if err == nil && n > maxMessages {
		err = fmt.Errorf("%d messages", n)
	}
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, p)
	}
	if err == nil && len(p.GetContainers()) > maxContainers {
		err = fmt.Errorf("%d containers", len(p.GetContainers()))
	}
	if err != nil {
		return false, err
	}
	c := &codec{reading: true}
	if optional(c, &p.Usage, &c.usage) {
		c.report(p.GetUsage(), c.usage)
	}
	c.begin(0)
	list(c, &p.Containers, &c.containers, c.container)
	for i, tick := range p.GetTicks() {
		t := Tick{Snapshot: into.next()}
		c.tick(tick, &t)
		if err := c.failed(); err != nil {
			return false, fmt.Errorf("tick %d of the frame: %w", i+1, err)
		}
		if !yield(t) {
			return false, nil
		}
	}
	return true, nil
}

var errWire = errors.New("not a message")

// countMessages counts the messages within a message, which are what it takes
// memory for.
func countMessages(b []byte, d protoreflect.MessageDescriptor) (n int, err error) {
	for len(b) > 0 {
		field, kind, tag := protowire.ConsumeTag(b)
		if tag < 0 {
			return n, errWire
		}
		size := protowire.ConsumeFieldValue(field, kind, b[tag:])
		if size < 0 {
			return n, errWire
		}
		if f := d.Fields().ByNumber(field); f != nil && f.Message() != nil && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(b[tag:]) // ConsumeFieldValue has checked it
			m, err := countMessages(inner, f.Message())
			n += 1 + m
			if err != nil {
				return n, err
			}
		}
		b = b[tag+size:]
	}
	return n, nil
}
