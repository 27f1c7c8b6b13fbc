package agentapi

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

const (
	// maxParts bounds the embedded messages and strings of one message. An
	// executor has about 50 of them, so this is some 2000 executors; in memory a
	// part takes up to 200 bytes, however short it was on the wire, so it is 20 MB.
	// Without it, a message of 16 MiB that is nothing but empty executors was
	// seen to take 2.8 GB.
	maxParts = 100_000
	// maxExecutors bounds the executors among them: what becomes of one takes 400
	// bytes more, and the rest of the daemon works on each.
	maxExecutors = 5_000
	// maxDepth bounds how deep they are embedded; a report has 7 levels, and
	// one more per level of a nested container's id.
	maxDepth = 40
)

// errParts says that a message has too many parts, or too deep ones.
var errParts = errors.New("too many parts")

// checkParts counts what decoding b into a message of type d would make.
// Malformed input is left to the decoder.
func checkParts(b []byte, d protoreflect.MessageDescriptor) error {
	return countParts(b, d, &partsLeft{maxParts, maxExecutors}, maxDepth)
}

// partsLeft is how much more a message may hold.
type partsLeft struct{ parts, executors int }

// executorName is the message that is an executor.
var executorName = (&wire.ResourceUsage_Executor{}).ProtoReflect().Descriptor().FullName()

func countParts(b []byte, d protoreflect.MessageDescriptor, left *partsLeft, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%w: more than %d levels", errParts, maxDepth)
	}
	fields := d.Fields()
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(num, typ, b)
		if size < 0 {
			return nil
		}
		if f := fields.ByNumber(num); f != nil && typ == protowire.BytesType {
			if left.parts--; left.parts < 0 {
				return fmt.Errorf("%w: more than %d", errParts, maxParts)
			}
			if f.Message() != nil {
				if f.Message().FullName() == executorName {
					if left.executors--; left.executors < 0 {
						return fmt.Errorf("%w: more than %d executors", errParts, maxExecutors)
					}
				}
				part, _ := protowire.ConsumeBytes(b)
				if err := countParts(part, f.Message(), left, depth-1); err != nil {
					return err
				}
			}
		}
		b = b[size:]
	}
	return nil
}
