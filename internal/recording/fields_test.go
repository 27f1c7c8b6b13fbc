package recording

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/estimatord/estimatord/internal/snapshot"
)

// fill sets every field to something that is not zero, each to something else,
// so that a field that is added to a snapshot and not to the format is missed.
func fill(t *testing.T, v reflect.Value, next *int) {
	t.Helper()
	*next++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000, int64(*next))))
		return
	case snapshot.Absence:
		v.SetUint(uint64(1 + *next%(snapshot.NumAbsences-1)))
		return
	case snapshot.Class:
		v.SetUint(uint64(1 + *next%3))
		return
	case snapshot.ContentionState:
		v.SetUint(uint64(snapshot.ContentionContended))
		return
	case snapshot.ContentionWhy:
		v.SetUint(uint64(1 + *next%(snapshot.NumContentionWhys-1)))
		return
	case snapshot.MemoryFrom:
		v.SetUint(uint64(snapshot.MemoryLimit))
		return
	case snapshot.CapacityFrom:
		v.SetUint(uint64(snapshot.CapacityQuota))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), next)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), next)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), next)
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString(fmt.Sprint("text", *next))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*next))
	case reflect.Float64:
		v.SetFloat(float64(*next) + .5)
	default:
		t.Fatalf("a %s cannot be recorded, or fill must learn it", v.Type())
	}
}

func TestEveryFieldOfASnapshotIsRecorded(t *testing.T) {
	var s snapshot.Snapshot
	n := 0
	fill(t, reflect.ValueOf(&s).Elem(), &n)
	if n < 100 || s.Containers[1].Executor.Tasks[1].Labels[1].Value == "" {
		t.Fatalf("only %d values were filled in", n)
	}
	for i := range s.Containers { // each is of the report
		s.Containers[i].Executor = &s.Usage.Executors[i]
	}
	for got, err := range decode(encode(t, []*snapshot.Snapshot{&s}, 1)) {
		if err != nil {
			t.Fatal(err)
		}
		diff(t, got, &s)
	}
}
