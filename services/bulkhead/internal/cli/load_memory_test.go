package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
	"bulkhead/services/bulkhead/internal/load"
)

func TestTheMemoryOfALoadDoesNotGrowWithTheFile(t *testing.T) {
	definition, err := os.ReadFile("../../../../deploy/config/pipelines/contacts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := json.Marshal(string(definition))
	if err != nil {
		t.Fatal(err)
	}
	ops := fakeOps(t, map[string]reply{
		"GET /v1/pipelines/contacts": ok(`{"pipeline":{"name":"contacts","revision":1,"yaml":` + string(yaml) + `}}`),
		"GET /v1/balance":            ok(`{"balance":{},"adds_up":true,"unread":{}}`),
	})
	broker := testkit.NATS(t)
	conn, err := bus.Connect(broker.URL(), bus.ConnectOptions{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	if err := bus.EnsureRecords(t.Context(), conn, "contacts", bus.Limits{MaxBytes: 256 << 20}); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "bulkhead")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "bulkhead/services/bulkhead").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	peak := func(rows int) int64 {
		file := filepath.Join(t.TempDir(), "contacts.csv")
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(f, "id,last_name")
		long := strings.Repeat("x", 400)
		for i := range rows {
			fmt.Fprintf(f, "c-%d,\"%s\n\"\n", i, long)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), binary, "load", file, "--pipeline", "contacts", "--no-wait", "--json", "--ops", ops, "--nats", broker.URL())
		var out, errOut strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errOut
		cmd.Env = append(os.Environ(), "GOGC=100") // as it runs for everybody, whatever the tests run with
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		most, stop := watchMemory(cmd.Process.Pid)
		err = cmd.Wait()
		close(stop)
		var r load.Result
		if err != nil || json.Unmarshal([]byte(out.String()), &r) != nil || r.Published != int64(rows) {
			t.Fatalf("%v: %s%s", err, out.String(), errOut.String())
		}
		return <-most
	}
	small, large := peak(10_000), peak(200_000)
	if small == 0 || large == 0 {
		t.Fatal("the system does not tell the peak of memory")
	}
	t.Logf("%d KiB for 10,000 rows (4 MB), %d KiB for 200,000 (80 MB)", small, large)
	if large > small+16<<10 {
		t.Errorf("%d KiB for 200,000 rows, %d KiB for 10,000", large, small)
	}
}

// watchMemory reads the peak of a process's memory, in KiB, until stop is closed. The system's own count of a finished child's peak also has that
// of its parent before the child's program was loaded.
func watchMemory(pid int) (most chan int64, stop chan struct{}) {
	most, stop = make(chan int64, 1), make(chan struct{})
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var peak int64
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if _, line, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var now int64
				if _, err := fmt.Sscan(line, &now); err == nil {
					peak = max(peak, now)
				}
			}
			select {
			case <-stop:
				most <- peak
				return
			case <-tick.C:
			}
		}
	}()
	return most, stop
}
