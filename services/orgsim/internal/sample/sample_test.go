package sample_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"testing"

	"bulkhead/services/orgsim/internal/org"
	"bulkhead/services/orgsim/internal/sample"
)

func TestRowsAreWhatTheMeasurementsSay(t *testing.T) {
	model, err := org.ReadModel([]byte(sample.Model))
	if err != nil || model.Object(sample.Object) == nil {
		t.Fatal(err)
	}
	content := sample.CSV(5, 300)
	lines := bytes.SplitAfter(content, []byte("\n"))
	for _, l := range lines[1:301] {
		if len(l) != 250 {
			t.Errorf("a row has %d bytes: %s", len(l), l)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil || len(rows) != 301 || len(rows[0]) != 10 || rows[1][0] != "key-000000005" || rows[300][0] != fmt.Sprintf("key-%09d", 304) {
		t.Errorf("%d rows of %q, %v", len(rows), rows[0], err)
	}
	if !bytes.Equal(content, sample.CSV(5, 300)) {
		t.Error("it says something else the second time")
	}
}
