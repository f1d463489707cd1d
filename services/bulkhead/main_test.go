package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"bulkhead/services/bulkhead/internal/cli"
)

// played says that the test's own program plays the command, or one that never ends by itself.
const (
	played   = "BULKHEAD_TEST_PLAYS"
	command  = "the command"
	stubborn = "one that never ends"
)

func TestMain(m *testing.M) {
	switch os.Getenv(played) {
	case command:
		os.Exit(run())
	case stubborn:
		ctx, _ := untilSignal()
		fmt.Println("runs")
		<-ctx.Done()
		fmt.Println("was asked to end")
		select {}
	}
	os.Exit(m.Run())
}

// start starts the test's own program as another one.
func start(t *testing.T, as string, args ...string) (_ *exec.Cmd, out *bufio.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), played+"="+as)
	in, err := cmd.StdinPipe() // it stays open and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close() })
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(pipe)
}

func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(fmt.Sprintf("%s ends a load that waits for its input", s), func(t *testing.T) {
			definition, err := os.ReadFile("../../deploy/config/pipelines/contacts.yaml")
			if err != nil {
				t.Fatal(err)
			}
			asked := make(chan struct{}, 1)
			ops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprintf(w, `{"pipeline":{"name":"contacts","revision":1,"yaml":%q}}`, definition)
				asked <- struct{}{}
			}))
			t.Cleanup(ops.Close)
			cmd, _ := start(t, command, "load", "-", "--pipeline", "contacts", "--ops", ops.URL)
			<-asked
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			var ended *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &ended) || ended.ExitCode() != cli.ExitInterrupted {
				t.Errorf("%v, want exit code %d", err, cli.ExitInterrupted)
			}
		})
		t.Run(fmt.Sprintf("a second %s ends the process at once, whatever it does", s), func(t *testing.T) {
			cmd, out := start(t, stubborn)
			for _, want := range []string{"runs", "was asked to end"} {
				if line, err := out.ReadString('\n'); err != nil || strings.TrimSpace(line) != want {
					t.Fatalf("%q, %v, want %q", line, err, want)
				}
				if err := cmd.Process.Signal(s); err != nil {
					t.Fatal(err)
				}
			}
			var ended *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != s { //nolint:forcetypeassert // the system's own
				t.Errorf("%v, want the signal's end", err)
			}
		})
	}
}
