package agentapi

import (
	"fmt"
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	// Registers the codec that this one is made from.
	protocodec "google.golang.org/grpc/encoding/proto"
)

// discardingCodec is gRPC's protobuf codec, except that it drops every field
// that our subset of Mesos does not name: command lines, environments and data
// of tasks end with the buffer they arrived in.
type discardingCodec struct {
	encoding.CodecV2
	// failed is told of every message that could not be decoded.
	failed func(error)
	// one is decoded at a time: meanwhile it is there twice.
	one *sync.Mutex
}

func newCodec(failed func(error)) discardingCodec {
	return discardingCodec{CodecV2: encoding.GetCodecV2(protocodec.Name), failed: failed, one: &sync.Mutex{}}
}

// Unmarshal implements encoding.CodecV2.
func (c discardingCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m, ok := v.(proto.Message)
	if !ok {
		return fmt.Errorf("cannot decode into %T", v)
	}
	c.one.Lock()
	defer c.one.Unlock()
	buf := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buf.Free()
	err := checkParts(buf.ReadOnlyData(), m.ProtoReflect().Descriptor())
	if err == nil {
		err = proto.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(buf.ReadOnlyData(), m)
	}
	if err != nil {
		err = fmt.Errorf("%d bytes that are no %s: %w", data.Len(), m.ProtoReflect().Descriptor().FullName(), err)
		c.failed(err)
		return err
	}
	return nil
}
