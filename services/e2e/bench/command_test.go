package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestExecute(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"helps when nothing is asked for":            {nil, exitDone, "trickle"},
		"refuses a flag that there is not":           {[]string{"run", "--colour"}, exitMisuse, "colour"},
		"refuses to load nothing":                    {[]string{"run", "--records", "0"}, exitMisuse, "at least 1"},
		"refuses no runs":                            {[]string{"run", "--runs", "0"}, exitMisuse, "--runs"},
		"refuses a profile of several runs":          {[]string{"run", "--records", "10", "--profile", "x"}, exitMisuse, "--runs 1"},
		"refuses to have everything refused":         {[]string{"run", "--failing", "1"}, exitMisuse, "--failing"},
		"refuses a command that there is not":        {[]string{"walk"}, exitMisuse, "walk"},
		"refuses what stands behind a command":       {[]string{"run", "fast"}, exitMisuse, "fast"},
		"refuses a trickle of nothing":               {[]string{"trickle", "--for", "1ms"}, exitMisuse, "at least one record"},
		"tells of a publisher that has nobody there": {[]string{"publish", "--nats", "nats://127.0.0.1:1", "--records", "1"}, exitFailed, "connect to NATS"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			code := execute(t.Context(), c.args, &out, &errOut)
			if said := out.String() + errOut.String(); code != c.code || !strings.Contains(said, c.says) {
				t.Errorf("exit %d, want %d; it says %q", code, c.code, said)
			}
		})
	}
}
