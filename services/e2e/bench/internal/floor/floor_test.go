package floor

import (
	"bytes"
	"os"
	"testing"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/orgsim/simtest"
)

func TestWrite(t *testing.T) {
	files, total, err := Write(t.TempDir(), 1000)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Run("writes the header and every record once", func(t *testing.T) {
		lines := bytes.Count(text, []byte{'\n'})
		if int64(len(text)) != total || lines != 1001 || !bytes.HasPrefix(text, []byte(people.Header)) || !bytes.HasSuffix(text, people.AppendCSV(nil, 999)) {
			t.Errorf("%d bytes told, %d written, %d lines", total, len(text), lines)
		}
	})
}

func TestRun(t *testing.T) {
	sim := simtest.Start(t)
	files, _, err := Write(t.TempDir(), 500)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("loads the files and reads the results", func(t *testing.T) {
		got, err := Run(t.Context(), sim.URL, sim.ClientID, sim.Secret, files)
		if err != nil || got.Landed != 500 || got.Failed != 0 || got.Jobs != 1 || got.Downloaded == 0 {
			t.Errorf("%+v, %v", got, err)
		}
		if n := sim.Counts()[people.Object].Rows; n != 500 {
			t.Errorf("the org holds %d rows", n)
		}
	})
	t.Run("says what the org said when it refuses", func(t *testing.T) {
		if _, err := Run(t.Context(), sim.URL, sim.ClientID, "wrong", files); err == nil {
			t.Error("no error")
		}
	})
}
