package agentapi

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	agentv1 "github.com/estimatord/estimatord/proto/estimatord/agent/v1"
	wire "github.com/estimatord/estimatord/proto/estimatord/mesoswire/v1"
)

// What an agent sends, built by hand.

func scalar(name string, value float64) *wire.Resource {
	return &wire.Resource{
		Name: &name, Type: wire.Value_SCALAR.Enum(), Scalar: &wire.Value_Scalar{Value: &value},
		AllocationInfo: &wire.Resource_AllocationInfo{Role: proto.String("*")},
	}
}

func revocable(r *wire.Resource) *wire.Resource {
	r.Revocable = &wire.Resource_RevocableInfo{}
	return r
}

// executorOf is an executor of framework "f" named like its container.
func executorOf(container string, allocated ...*wire.Resource) *wire.ResourceUsage_Executor {
	return &wire.ResourceUsage_Executor{
		ExecutorInfo: &wire.ExecutorInfo{
			ExecutorId:  &wire.ExecutorID{Value: proto.String("e-" + container)},
			FrameworkId: &wire.FrameworkID{Value: proto.String("f")},
		},
		ContainerId: &wire.ContainerID{Value: &container},
		Allocated:   allocated,
	}
}

// bestEffort is a revocable command task as the agent reports it: 1 revocable
// cpu for the task, 0.1 regular cpus for the executor.
func bestEffort(container string) *wire.ResourceUsage_Executor {
	e := executorOf(container, revocable(scalar("cpus", 1)), scalar("cpus", 0.1))
	e.ExecutorInfo.Resources = []*wire.Resource{scalar("cpus", 0.1)}
	e.Tasks = []*wire.ResourceUsage_Executor_Task{{
		Id: &wire.TaskID{Value: proto.String("t-" + container)}, Resources: []*wire.Resource{revocable(scalar("cpus", 1))},
	}}
	return e
}

func service1(container string) *wire.ResourceUsage_Executor {
	e := executorOf(container, scalar("cpus", 2))
	e.Tasks = []*wire.ResourceUsage_Executor_Task{{
		Id: &wire.TaskID{Value: proto.String("t-" + container)}, Resources: []*wire.Resource{scalar("cpus", 1.9)},
	}}
	return e
}

func usageWith(executors ...*wire.ResourceUsage_Executor) *wire.ResourceUsage {
	return &wire.ResourceUsage{Executors: executors, Total: []*wire.Resource{scalar("cpus", 8)}}
}

func recording(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decodeRequest takes the way of a request's bytes in the server.
func decodeRequest(b []byte) (*wire.ResourceUsage, error) {
	var req agentv1.EstimateRequest
	c := newCodec(func(error) {})
	if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &req); err != nil {
		return nil, err
	}
	return req.GetUsage(), nil
}

// rawCodec sends and receives bytes as they are.
type rawCodec struct{}

var _ encoding.CodecV2 = rawCodec{}

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("want []byte, have %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawCodec) Name() string { return "proto" }
