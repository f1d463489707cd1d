//go:build planted

package salesforce

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"bulkhead/libs/fault/planted"
)

// Bugs are the process's, so nothing here is parallel.
func TestPlantedBugEndOfFileTakenAsComplete(t *testing.T) {
	t.Run("end_of_file_taken_as_complete takes a file that was cut for whole", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.EndOfFileTakenAsComplete} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			o := newScriptedOrg(t, csvAnswer(successful[:len(successful)-4]))
			_, rows, err := readRows(o.client(), t.Context(), Successful)
			if on := bug != planted.None; errors.Is(err, ErrTruncated) == on || on && err != nil || len(rows) != 1 {
				t.Errorf("with %q %d rows and %v", bug, len(rows), err)
			}
		}
	})
}

func TestPlantedBugCallSentLate(t *testing.T) {
	t.Run("call_sent_late sends a call whose deadline is over", func(t *testing.T) {
		for _, bug := range []planted.Bug{planted.None, planted.CallSentLate} {
			if err := planted.Set(bug); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = planted.Set(planted.None) })
			o := newScriptedOrg(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, `[{"id":"`+rowID+`","success":true,"errors":[]}]`)
			})
			_, err := o.client().Collect(t.Context(), upsertOf([]string{"e1", "A", "", ""}), time.Now().Add(-time.Second), soon())
			if on := bug != planted.None; (err == nil) != on || (len(o.calls()) == 1) != on {
				t.Errorf("with %q %d calls and %v", bug, len(o.calls()), err)
			}
		}
	})
}
