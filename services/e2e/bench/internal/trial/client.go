package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bulkhead/services/e2e/bench/internal/floor"
	"bulkhead/services/e2e/bench/internal/parts"
	"bulkhead/services/e2e/bench/internal/people"
	"bulkhead/services/e2e/internal/meter"
)

// Client is a program that loads files of CSV into an org and reads the results: the floor, and the libraries that people use today. None of them
// survives a kill, knows a repeat, sends a refused row again or accounts for one; so each ends with the rows that failed at first missing.
type Client struct {
	Name    string
	Command []string // program and first arguments; the org's URL, client id and secret follow, then the files
	Env     []string
}

// ClientResult is what a client took.
type ClientResult struct {
	Name             string  `json:"name"`
	Records          int64   `json:"records"`
	Seconds          float64 `json:"seconds"`
	RecordsPerSecond float64 `json:"records_per_second"`
	CPU              float64 `json:"cpu_seconds"`
	SimulatorCPU     float64 `json:"simulator_cpu_seconds"`
	Peak             int64   `json:"peak_bytes"`
	Calls            int64   `json:"api_calls"`
	Landed           int64   `json:"landed"`
	Failed           int64   `json:"failed"`
}

// RunClient loads the files, which hold n records, into an org of its own.
func RunClient(ctx context.Context, c Client, bin string, failing float64, n int64, files []string) (_ *ClientResult, err error) {
	p, err := parts.StartOrg(ctx, parts.Options{Bin: bin, Env: c.Env})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if failing > 0 {
		if err := p.Org.Script(ctx, people.Fault(failing)); err != nil {
			return nil, err
		}
	}
	before, err := meter.CPU(p.Simulator)
	if err != nil {
		return nil, err
	}
	var said floor.Result
	var heard error
	args := append(append(c.Command[1:len(c.Command):len(c.Command)], p.OrgURL, orgClientID, orgSecret), files...)
	tool, err := p.Tool("client", c.Command[0], func(line []byte) { heard = json.Unmarshal(line, &said) }, args...)
	if err != nil {
		return nil, err
	}
	use, err := tool.Wait(ctx)
	if err = errors.Join(err, heard); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	after, err := meter.CPU(p.Simulator)
	if err != nil {
		return nil, err
	}
	rows, err := p.Org.Rows(ctx, people.Object)
	if err != nil {
		return nil, err
	}
	if rows != said.Landed || said.Landed+said.Failed != n {
		return nil, fmt.Errorf("%s says that of %d records %d landed and %d failed; the org holds %d", c.Name, n, said.Landed, said.Failed, rows)
	}
	calls, err := p.Org.Calls(ctx)
	if err != nil {
		return nil, err
	}
	out := &ClientResult{
		Name: c.Name, Records: n, Seconds: said.Seconds, RecordsPerSecond: float64(n) / said.Seconds, CPU: use.CPU.Seconds(),
		SimulatorCPU: (after - before).Seconds(), Peak: use.Peak, Landed: said.Landed, Failed: said.Failed,
	}
	for _, call := range calls {
		if call.Counted() {
			out.Calls++
		}
	}
	return out, nil
}

// What the simulated org takes unless it is told otherwise; they open nothing else.
const orgClientID, orgSecret = "bulkhead", "bulkhead-dev"
