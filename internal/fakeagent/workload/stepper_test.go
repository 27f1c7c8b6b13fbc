package workload

import (
	"io"
	"strings"
	"testing"
)

func TestToucherEndsWithItsInput(t *testing.T) {
	var out strings.Builder
	if err := runToucher(strings.NewReader("\n\n"), &out); err != nil || strings.Count(out.String(), "\n") != 2 {
		t.Errorf("%q, %v; want 2 answers", out.String(), err)
	}
	r, w := io.Pipe()
	_ = w.CloseWithError(io.ErrClosedPipe)
	if err := runToucher(r, io.Discard); err == nil {
		t.Error("an input that fails is no end")
	}
}
