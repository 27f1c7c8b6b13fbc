package agentapi

import (
	"bytes"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// request wraps the bytes of a ResourceUsage.
func request(usage []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), usage)
}

// deepID is an executor whose container id has that many parents.
func deepID(t *testing.T, parents int) []byte {
	t.Helper()
	e := executorOf("x")
	for id := e.ContainerId; parents > 0; parents-- {
		id.Parent = &wire.ContainerID{Value: proto.String("p")}
		id = id.Parent
	}
	b, err := proto.Marshal(usageWith(e))
	if err != nil {
		t.Fatal(err)
	}
	return request(b)
}

func TestPartsOfAMessageAreLimited(t *testing.T) {
	emptyExecutors := func(n int) []byte { return request(bytes.Repeat([]byte{0x0a, 0x00}, n)) }
	for name, tc := range map[string]struct {
		msg     []byte
		refused bool
	}{
		"nothing":                         {nil, false},
		"a recorded request":              {recording(t, "one-regular-one-revocable.bin"), false},
		"as many executors as may be":     {emptyExecutors(maxExecutors), false},
		"one more":                        {emptyExecutors(maxExecutors + 1), true},
		"half a million":                  {emptyExecutors(500_000), true},
		"as many parts as may be":         {request(bytes.Repeat([]byte{0x12, 0x00}, maxParts-1)), false}, // the usage is one, too
		"the agent's total":               {request(bytes.Repeat([]byte{0x12, 0x00}, maxParts)), true},
		"tasks of one executor":           {request(protowire.AppendBytes([]byte{0x0a}, bytes.Repeat([]byte{0x2a, 0x00}, maxParts))), true},
		"fields that are dropped anyway":  {request(bytes.Repeat([]byte{0x7a, 0x00}, 2*maxParts)), false},
		"a container nested a few levels": {deepID(t, 5), false},
		"a container nested for ever":     {deepID(t, 1000), true},
		"cut":                             {[]byte{0x0a, 0x05, 0x0a}, false},
		"no tag":                          {[]byte{0xff}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := checkParts(tc.msg, (&agentv1.EstimateRequest{}).ProtoReflect().Descriptor())
			if errors.Is(err, errParts) != tc.refused || (err != nil) != tc.refused {
				t.Errorf("err = %v, want refused %t", err, tc.refused)
			}
			if _, err := decodeRequest(tc.msg); tc.refused && !errors.Is(err, errParts) {
				t.Errorf("decoding: err = %v, want errParts", err)
			}
		})
	}
}
