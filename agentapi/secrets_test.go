package agentapi

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const secret = "s3cr3t-t0ken"

// requestWithSecrets is an EstimateRequest in which every field that may hold
// a secret holds one: command, data, container, discovery and shutdown info of
// the executor, and fields that nobody knows yet.
func requestWithSecrets(t testing.TB) []byte {
	t.Helper()
	e := bestEffort("x")
	e.ExecutorInfo.Name = proto.String("Command Executor (Task: t) (Command: sh -c '" + secret + "')")
	unknown := func(m proto.Message, fields ...protowire.Number) {
		var b []byte
		for _, f := range fields {
			b = protowire.AppendTag(b, f, protowire.BytesType)
			b = protowire.AppendBytes(b, []byte("--password="+secret))
		}
		m.ProtoReflect().SetUnknown(b)
	}
	unknown(e.ExecutorInfo, 4, 7, 11, 12, 100)
	unknown(e, 100)
	unknown(e.Tasks[0], 100)
	b, err := proto.Marshal(usageWith(e))
	if err != nil {
		t.Fatal(err)
	}
	req := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
	if n := bytes.Count(req, []byte(secret)); n != 8 {
		t.Fatalf("the request holds %d secrets, want 8", n)
	}
	return req
}

func TestSecretsOfTasksAreNotKept(t *testing.T) {
	req := requestWithSecrets(t)
	m, err := decodeRequest(req)
	if err != nil {
		t.Fatal(err)
	}
	// Only the executor's name is a field that is read.
	if b, err := proto.Marshal(m); err != nil || bytes.Count(b, []byte(secret)) != 1 {
		t.Errorf("the decoded message holds %d secrets, want 1 (%v)", bytes.Count(b, []byte(secret)), err)
	}
	d, err := usageOf(m, "a", noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.usage.Executors) != 1 {
		t.Fatalf("%d executors, want 1", len(d.usage.Executors))
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(req)))
	walkStrings(reflect.ValueOf(d.usage), func(s string) {
		if strings.Contains(s, secret) {
			t.Errorf("kept %q", s)
		}
		// A string that shares memory with the request would keep all of it.
		if at := uintptr(unsafe.Pointer(unsafe.StringData(s))); s != "" && at >= from && at < from+uintptr(len(req)) {
			t.Errorf("%q is a part of the request's buffer", s)
		}
		// Nor may it be a part of a longer string that the message held.
		name := m.GetExecutors()[0].GetExecutorInfo().GetName()
		if s != "" && unsafe.StringData(s) == unsafe.StringData(name) {
			t.Errorf("%q is a part of the executor's full name", s)
		}
	})
}

// walkStrings visits every string reachable from v.
func walkStrings(v reflect.Value, visit func(string)) {
	switch v.Kind() {
	case reflect.String:
		visit(v.String())
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			walkStrings(v.Elem(), visit)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walkStrings(v.Index(i), visit)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			walkStrings(v.Field(i), visit)
		}
	}
}
