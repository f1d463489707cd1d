package report

import (
	"encoding/json"
	"strings"
	"testing"

	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/bench/internal/trial"
)

func result(n float64) *trial.Result {
	return &trial.Result{
		Records: 1_000_000, Seconds: n, RecordsPerSecond: 1_000_000 / n, CPU: trial.CPU{Services: n, Broker: 1, Postgres: 2 * n},
		Peak: trial.Memory{Services: int64(n) * 100e6}, Calls: trial.Calls{Total: 16, Fresh: 14, By: map[string]int64{"create": int64(n)}},
		Chunks: map[string]int64{"fresh": 2}, PostgresBy: map[string]float64{"submitter": 0.5, "extractor": 1.5, "ops": 0.001},
	}
}

func TestMedian(t *testing.T) {
	t.Run("is taken figure by figure, nested ones too", func(t *testing.T) {
		m, err := median([]*trial.Result{result(30), result(10), result(20)})
		if err != nil {
			t.Fatal(err)
		}
		if m.Seconds != 20 || m.CPU.Postgres != 40 || m.Calls.By["create"] != 20 || m.Peak.Services != 2000e6 || m.Records != 1_000_000 {
			t.Errorf("%+v", m)
		}
	})
	t.Run("counts what a run does not name as nothing", func(t *testing.T) {
		with := result(10)
		with.Calls.By["abort"] = 5
		m, err := median([]*trial.Result{result(10), with, result(10)})
		if err != nil || m.Calls.By["abort"] != 0 {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("of an even number of runs is the lower one, so that counts stay whole", func(t *testing.T) {
		m, err := median([]*trial.Result{result(10), result(13)})
		if err != nil || m.Calls.By["create"] != 10 {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("needs a run", func(t *testing.T) {
		if _, err := median(nil); err == nil {
			t.Error("no error")
		}
	})
}

func TestTable(t *testing.T) {
	r := &Report{Machine: "2 cores", Commit: "abc", Settings: "frames", LeftOut: []string{"jsforce: node is not on PATH"}}
	if err := r.Add(Case{Records: 1_000_000, Chunk: people.Largest(), Failing: failing}, []*trial.Result{result(10), result(20), result(30)}); err != nil {
		t.Fatal(err)
	}
	r.Clients = append(r.Clients, &trial.ClientResult{Name: "streaming loop", Records: 1_000_000, Seconds: 10, RecordsPerSecond: 100_000, CPU: 0.25, Peak: 9e6, Calls: 8})
	text := r.Table()
	t.Run("says machine, commit, each process and what all three cost a million", func(t *testing.T) {
		for _, want := range []string{
			"2 cores, commit abc", "1,000,000 records, largest chunks, 5 % refused at first; medians of 3 runs", "50000 records/s", "together", "no chunk was full",
			"extractor 1.50, submitter 0.50", "API calls about fresh records; 1,000,000 in the largest chunks", "14, at most 16: held", "61.00", "14.0 for fresh records", "left out: jsforce", "streaming loop, 1,000,000",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the table does not say %q:\n%s", want, text)
			}
		}
	})
	t.Run("has every run in its JSON", func(t *testing.T) {
		text, err := json.Marshal(r)
		var back Report
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if err != nil || len(back.Cases) != 1 || len(back.Cases[0].Runs) != 3 || back.Cases[0].Median.Seconds != 20 || back.Cases[0].Chunk != people.Largest() {
			t.Errorf("%s, %v", text, err)
		}
	})
}
