package examples

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"bulkhead/libs/bus"
	"bulkhead/libs/testkit"
)

// build makes one of the programs.
func build(t *testing.T, name string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), name)
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", to, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	return to
}

func TestTheProgramsPublishWhatTheExtractorReads(t *testing.T) {
	server := testkit.NATS(t)
	conn, err := nats.Connect(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	on, err := bus.On(conn)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags      []string
		in, says   string
		keys, runs []string
	}{
		"publisher": {
			[]string{"-source", "monday"},
			"{\"id\":\"a\"}\n{\"id\":\"b\"}\n", "2 records are received in 1 frames\n",
			[]string{"monday:1", "monday:2"},
			[]string{"example"},
		},
		"plain": {nil, "", "3 records are received in 2 messages\n", []string{"evt-1001", "", ""}, []string{"", "example"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := bus.EnsureRecords(t.Context(), on, name, bus.Limits{MaxBytes: 1 << 20}); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), build(t, name), append(c.flags, "-nats", server.URL(), "-pipeline", name)...)
			cmd.Stdin = strings.NewReader(c.in)
			var out, errOut bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errOut
			if err := cmd.Run(); err != nil || out.String() != c.says {
				t.Fatalf("%v, said %q\n%s", err, out.String(), errOut.String())
			}
			stream, err := on.JS.Stream(t.Context(), bus.RecordsStream(name))
			if err != nil {
				t.Fatal(err)
			}
			var keys, runs []string
			for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
				m, err := stream.GetMsg(t.Context(), seq)
				if err != nil {
					t.Fatal(err)
				}
				records, refused := bus.DecodeFrame(m.Header, m.Data)
				if refused != nil {
					t.Fatal(refused.Message)
				}
				runs = append(runs, bus.Run(m.Header))
				for _, r := range records {
					keys = append(keys, r.Key)
				}
			}
			if strings.Join(keys, ",") != strings.Join(c.keys, ",") || strings.Join(runs, ",") != strings.Join(c.runs, ",") {
				t.Errorf("keys %q, runs %q", keys, runs)
			}
		})
		t.Run(name+" says what is wrong", func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), build(t, name), append(c.flags, "-nats", server.URL(), "-pipeline", "nosuch")...)
			cmd.Stdin = strings.NewReader("{}\n")
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "applied") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// A source that stood there by itself would be the same one for each night's file: every changed line a dead letter.
func TestThePublisherTakesNoFileWithoutASource(t *testing.T) {
	publisher := build(t, "publisher")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no source is refused with the reason": {nil, "KEY_REUSED"},
		"an unknown flag is refused":           {[]string{"-source", "monday", "-nosuch"}, "nosuch"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), publisher, append(c.args, "-nats", "nats://127.0.0.1:1")...)
			cmd.Stdin = strings.NewReader("{}\n")
			out, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), c.says) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// guide is the page that shows the programs' text.
const guide = "../../../docs/guides/publishing.md"

func TestTheGuideShowsThePrograms(t *testing.T) {
	page, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, name := range []string{"publisher", "plain"} {
		text, err := os.ReadFile(filepath.Join(name, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "// guide: begin\n")
		for _, part := range parts[1:] {
			code, _, ended := strings.Cut(part, "// guide: end")
			if !ended {
				t.Fatalf("%s: a part for the guide does not end", name)
			}
			if !strings.Contains(string(page), "```go\n"+dedent(code)+"```\n") {
				t.Errorf("the guide does not show this part of %s as it is:\n%s", name, dedent(code))
			}
			shown++
		}
	}
	if blocks := strings.Count(string(page), "```go\n"); blocks != shown {
		t.Errorf("the guide has %d blocks of Go, the programs have %d parts for it", blocks, shown)
	}
}

// dedent takes away the indentation that all lines share, and empty lines at both ends.
func dedent(code string) string {
	code = strings.Trim(strings.TrimRight(code, " \t\n"), "\n")
	indented := strings.HasPrefix(code, "\t")
	lines := strings.Split(code, "\n")
	for i, l := range lines {
		if indented {
			lines[i] = strings.TrimPrefix(l, "\t")
		}
	}
	return strings.Join(lines, "\n") + "\n"
}
